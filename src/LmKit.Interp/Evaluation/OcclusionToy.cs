using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Two attributes that share an activation, A = u_i + v_j: the one with shorter codes is occluded (Makelov et al. 2024).</summary>
public static class OcclusionToy
{
    /// <summary>Draws activations (B, D) and their attributes (B, 2), the long side first; the caller disposes both.</summary>
    /// <param name="count">Samples B.</param>
    /// <param name="valueCount">Values of each side.</param>
    /// <param name="width">Width D.</param>
    /// <param name="ratio">Mean norm of the short side's codes over the long side's, which is 1.</param>
    /// <param name="random">Source of randomness.</param>
    public static (Tensor Activations, Tensor Attributes) Draw(long count, long valueCount, long width, double ratio, Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfLessThan(valueCount, 1);
        Shapes.CheckSize([count, width], nameof(count));
        Shapes.CheckSize([valueCount, width], nameof(valueCount));
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var (high, low) = (Codes(1), Codes(ratio));
        var attributes = randint(0, valueCount, [count, 2], ScalarType.Int64, generator: random);
        var activations = high.index_select(0, attributes.select(1, 0)) + low.index_select(0, attributes.select(1, 1));
        return (activations.MoveToOuterDisposeScope(), attributes.MoveToOuterDisposeScope());

        Tensor Codes(double norm)
        {
            var codes = randn([valueCount, width], generator: random);
            return codes * (norm / codes.norm(1).mean());
        }
    }

    /// <summary>Features that reach an F1 for the long side, and for the short side.</summary>
    public static (long High, long Low) Count(IDictionary dictionary, Tensor activations, Tensor attributes, long valueCount, double threshold = 0.9)
    {
        var batch = new ActivationBatch(activations, attributes);
        long Side(string name, long column) => InterpretabilityTest.Run(dictionary, batch, new AttributeBlock(name, [column], [valueCount]), threshold)[0].FeatureCount;
        return (Side("high", 0), Side("low", 1));
    }
}
