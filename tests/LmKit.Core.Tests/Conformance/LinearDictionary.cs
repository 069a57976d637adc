using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Codes relu(x A^T), decoded by the same atoms.</summary>
internal sealed class LinearDictionary : IDictionary, IDisposable
{
    internal LinearDictionary(long featureCount, long modelDim, ScalarType dtype)
    {
        using var random = new Generator(5);
        Atoms = randn([featureCount, modelDim], dtype, generator: random).DetachFromDisposeScope();
        Bias = randn([modelDim], dtype, generator: random).DetachFromDisposeScope();
    }

    public Tensor Atoms { get; }

    public Tensor Bias { get; }

    public Tensor Encode(ActivationBatch batch)
    {
        Shapes.CheckWidth(batch.Values, Atoms.size(1), nameof(LinearDictionary));
        using var scope = NewDisposeScope();
        return batch.Values.mm(Atoms.t()).relu().MoveToOuterDisposeScope();
    }

    public Tensor Decode(Tensor codes)
    {
        Shapes.CheckWidth(codes, Atoms.size(0), nameof(LinearDictionary));
        using var product = codes.mm(Atoms);
        return product + Bias;
    }

    public void Dispose()
    {
        Atoms.Dispose();
        Bias.Dispose();
    }
}
