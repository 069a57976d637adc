using System.Reflection;
using Xunit;
using Xunit.Sdk;

namespace LmKit.Conformance;

/// <summary>Fails a test that ends with more live tensors than it began with.</summary>
/// <remarks>Tensors are counted on the test's own thread (<see cref="LiveTensors.Count"/>). A test that returns a task is not judged: after
/// an <c>await</c> it may go on elsewhere and even come back, and what one thread made another has then freed.</remarks>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class NoTensorLeakAttribute : BeforeAfterTestAttribute
{
    private long before;
    private int thread;

    /// <inheritdoc/>
    public override void Before(MethodInfo methodUnderTest)
    {
        thread = Environment.CurrentManagedThreadId;
        before = LiveTensors.Count;
    }

    /// <inheritdoc/>
    public override void After(MethodInfo methodUnderTest)
    {
        ArgumentNullException.ThrowIfNull(methodUnderTest);
        if (methodUnderTest.IsDefined(typeof(MayLeakTensorsAttribute), inherit: true))
            return;
        if (Environment.CurrentManagedThreadId != thread || typeof(Task).IsAssignableFrom(methodUnderTest.ReturnType))
            return;
        var left = LiveTensors.Count - before;
        Assert.True(left <= 0, $"{methodUnderTest.Name} left {left} live tensors behind.");
    }
}
