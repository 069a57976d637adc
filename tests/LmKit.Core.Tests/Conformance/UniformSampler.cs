using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Appends uniformly drawn tokens below a limit.</summary>
internal sealed class UniformSampler(long limit) : ISampler
{
    public IEnumerable<Tensor> Sample(Tensor prompt, long length, Generator? random = null)
    {
        var grid = prompt.clone().DetachFromDisposeScope();
        try
        {
            for (var step = 0L; step < length; step++)
            {
                using (NewDisposeScope())
                {
                    var next = cat([grid, randint(0, limit, [grid.size(0), 1], ScalarType.Int64, generator: random)], 1).DetachFromDisposeScope();
                    grid.Dispose();
                    grid = next;
                }
                yield return grid.clone().DetachFromDisposeScope();
            }
        }
        finally
        {
            grid.Dispose();
        }
    }
}
