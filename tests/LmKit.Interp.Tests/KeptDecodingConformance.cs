using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

public class KeptDecodingConformance : KernelConformance
{
    private const int Features = 37;
    private KeptFeatures? kept;

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => inputs => KeptDecoding.Reference(inputs[0], inputs[1], kept!);

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => inputs => KeptDecoding.Run(inputs[0], inputs[1], kept!);

    protected override IReadOnlyList<ScalarType> Dtypes => [ScalarType.Float32];

    // The length is the number of rows, and of dimensions plus one.
    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random)
    {
        kept = KeptFeatures.Of(rand([length, Features], generator: random).lt(0.2), long.MaxValue)!;
        return [randn([kept.Count], dtype, generator: random), randn([Features, length + 1], dtype, generator: random)];
    }
}
