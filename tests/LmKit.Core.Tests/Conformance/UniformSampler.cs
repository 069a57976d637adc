using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Appends uniformly drawn tokens below a limit.</summary>
internal sealed class UniformSampler(long limit) : ISampler
{
    public IEnumerable<Tensor> Sample(SampleRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Check(this);
        return Run(request);
    }

    private IEnumerable<Tensor> Run(SampleRequest request)
    {
        using var generators = RowGenerators.Of(request);
        var grid = request.Prompt.clone().DetachFromDisposeScope();
        try
        {
            for (var step = 0L; step < request.Length; step++)
            {
                using (NewDisposeScope())
                {
                    var drawn = generators.Select(random => randint(0, limit, [1, 1], ScalarType.Int64, generator: random));
                    var next = cat([grid, cat([.. drawn], 0)], 1).DetachFromDisposeScope();
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
