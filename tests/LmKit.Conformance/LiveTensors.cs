using TorchSharp;
using Xunit;

namespace LmKit.Conformance;

/// <summary>Counts tensors that are alive around an action.</summary>
public static class LiveTensors
{
    /// <summary>Tensors that this thread made and nobody has disposed.</summary>
    /// <remarks>Unlike <c>Tensor.TotalCount</c> it is right about parameters (each adds one too many there, for good) and does not
    /// depend on when the collector runs: a tensor left to its finalizer still counts.</remarks>
    public static long Count => DisposeScopeManager.Statistics.ThreadTotalLiveCount;

    /// <summary>Fails unless an action leaves as many tensors alive as it found.</summary>
    /// <param name="what">Names the action in the message.</param>
    /// <param name="action">What is run, on this thread.</param>
    public static void Unchanged(string what, Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        var before = Count;
        action();
        var left = Count - before;
        Assert.True(left == 0, $"{what} changed the number of live tensors by {left}.");
    }
}
