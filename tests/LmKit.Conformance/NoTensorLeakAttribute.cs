using System.Reflection;
using Xunit;
using Xunit.Sdk;

namespace LmKit.Conformance;

/// <summary>Fails a test that ends with more live tensors than it began with.</summary>
/// <remarks>Tensors are counted on the test's own thread (<see cref="LiveTensors.Count"/>); a test that goes on elsewhere after an
/// <c>await</c> is not judged.</remarks>
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
        if (Environment.CurrentManagedThreadId != thread)
            return;
        var left = LiveTensors.Count - before;
        Assert.True(left <= 0, $"{methodUnderTest.Name} left {left} live tensors behind.");
    }
}
