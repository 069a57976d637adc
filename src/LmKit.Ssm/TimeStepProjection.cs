using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Mamba's time step before softplus, W d + b, started so that softplus(b) is log-uniform.</summary>
internal sealed class TimeStepProjection : nn.Module<Tensor, Tensor>, IParameterHints
{
    private readonly Parameter weight; // (E, R)
    private readonly Parameter bias;   // (E)

    internal TimeStepProjection(SelectiveScanOptions options, long innerDim, long rank, ParameterFactory factory)
        : base(nameof(TimeStepProjection))
    {
        var bound = 1 / Math.Sqrt(rank);
        weight = factory.Uniform(-bound, bound, innerDim, rank);
        bias = factory.From(random => InitialBias(options, innerDim, random), innerDim);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) => parameterName == "bias" ? new ParameterHint(Decays: false) : null;

    /// <inheritdoc/>
    public override Tensor forward(Tensor x) => nn.functional.linear(x.to(weight.dtype), weight, bias);

    // softplus^-1(dt) = dt + ln(1 - e^-dt)
    private static Tensor InitialBias(SelectiveScanOptions options, long innerDim, Generator random)
    {
        var (low, high) = (Math.Log(options.MinTimeStep), Math.Log(options.MaxTimeStep));
        var dt = (rand([innerDim], ScalarType.Float64, generator: random) * (high - low) + low).exp().clamp(min: options.TimeStepFloor);
        return dt + dt.neg().expm1().neg().log();
    }
}
