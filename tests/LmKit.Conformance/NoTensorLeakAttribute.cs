using System.Reflection;
using Xunit;
using Xunit.Sdk;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>Fails a test that ends with more live tensors than it began with.</summary>
/// <remarks>The count is the process's, so the test classes of an assembly must run one after another
/// (<c>"parallelizeTestCollections": false</c>).</remarks>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class NoTensorLeakAttribute : BeforeAfterTestAttribute
{
    private long before;

    /// <inheritdoc/>
    public override void Before(MethodInfo methodUnderTest)
    {
        // Garbage of earlier tests is collected first, lest its finalizers hide a leak of this one.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        before = Tensor.TotalCount;
    }

    /// <inheritdoc/>
    public override void After(MethodInfo methodUnderTest)
    {
        ArgumentNullException.ThrowIfNull(methodUnderTest);
        var left = Tensor.TotalCount - before;
        Assert.True(left <= 0, $"{methodUnderTest.Name} left {left} live tensors behind.");
    }
}
