using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The discriminator's head: linear, SiLU, linear to one logit, both spectrally normalised and named main.0 and main.2.</summary>
internal sealed class DiscriminatorHead : nn.Module<Tensor, Tensor>
{
    private readonly SpectralPair main;

    internal DiscriminatorHead(long modelDim, ParameterFactory parameters)
        : base(nameof(DiscriminatorHead))
    {
        main = new SpectralPair(modelDim, parameters);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x) => main.call(x);

    private sealed class SpectralPair : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "0")]
        private readonly SpectralAffine first;
        [ComponentName(Name = "2")]
        private readonly SpectralAffine second;

        internal SpectralPair(long modelDim, ParameterFactory parameters)
            : base(nameof(SpectralPair))
        {
            first = new SpectralAffine(modelDim, modelDim, parameters);
            second = new SpectralAffine(modelDim, 1, parameters);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return second.call(nn.functional.silu(first.call(x))).MoveToOuterDisposeScope();
        }
    }
}
