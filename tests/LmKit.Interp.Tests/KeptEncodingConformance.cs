using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

public class KeptEncodingConformance : KernelConformance
{
    private const int Features = 67;
    private KeptEncoding? encoding;
    private Tensor? x;

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => inputs => encoding!.Reference(Centred(inputs[2]), inputs[0], inputs[1], inputs[2]);

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => inputs =>
    {
        using var scope = NewDisposeScope();
        using (no_grad())
        {
            var centred = Centred(inputs[2]);
            var dense = (centred.mm(inputs[0]) + inputs[1]).relu();
            using var recorded = enable_grad(inputs[0].requires_grad);
            return encoding!.Run(dense.detach(), centred, inputs[0], inputs[1], inputs[2]).MoveToOuterDisposeScope();
        }
    };

    protected override IReadOnlyList<ScalarType> Dtypes => [ScalarType.Float32];

    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random)
    {
        x = randn([length, 33], dtype, generator: random);
        var kept = KeptFeatures.Of(rand([length, Features], generator: random).lt(0.2), long.MaxValue)!;
        encoding = new KeptEncoding(kept, Rectifies: true, IsCentred: true);
        return [randn([33, Features], dtype, generator: random), randn([Features], dtype, generator: random), randn([33], dtype, generator: random)];
    }

    private Tensor Centred(Tensor bias)
    {
        using var frozen = no_grad();
        return x! - bias;
    }
}
