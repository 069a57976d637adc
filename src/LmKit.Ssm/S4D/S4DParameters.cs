using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The trained tensors of a stand-alone S4D layer: B is folded into C, and bidirectional layers have a second C.</summary>
internal sealed class S4DParameters : nn.Module, IDiagonalParameters, IParameterHints
{
    [ComponentName(Name = "C")]
    private readonly Parameter readout;         // (channels, H, n, 2)
    [ComponentName(Name = "log_dt")]
    private readonly Parameter logTimeStep;     // (H)
    [ComponentName(Name = "log_w_real")]
    private readonly Parameter logDecay;        // (S, n), Re a = -exp of it
    [ComponentName(Name = "w_imag")]
    private readonly Parameter frequency;       // (S, n)

    internal S4DParameters(DiagonalSsmOptions options, long headCount, int channelCount, ParameterFactory factory)
        : base(nameof(S4DParameters))
    {
        var n = options.StateDim / 2;
        var matrices = options.Check(headCount);
        readout = factory.From(random => InitialReadout(options, matrices, headCount, channelCount, random), channelCount, headCount, n, 2);
        logTimeStep = factory.Uniform(Math.Log(options.MinTimeStep), Math.Log(options.MaxTimeStep), headCount);
        logDecay = factory.From(_ => DiagonalMatrix.Create(options.Initialization, matrices, options.StateDim).Real.neg().add(1e-4).log(), matrices, n);
        frequency = factory.From(_ => DiagonalMatrix.Create(options.Initialization, matrices, options.StateDim).Imaginary, matrices, n);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long HeadCount => logTimeStep.size(0);

    /// <inheritdoc/>
    public ScalarType Dtype => readout.dtype;

    /// <inheritdoc/>
    public Device Device => readout.device;

    /// <inheritdoc/>
    public bool HasUnitInput => true;

    /// <inheritdoc/>
    public Tensor[] All => [readout, logTimeStep, logDecay, frequency];

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) =>
        parameterName == "C" ? null : new ParameterHint(MaxLearningRate: 1e-3, Decays: false);

    /// <inheritdoc/>
    public ContinuousDiagonal Continuous(int channel)
    {
        var heads = logTimeStep.size(0);
        Tensor Rows(Tensor rows) => ContinuousDiagonal.Tile(rows.to(ScalarType.Float64), heads);
        var re = Rows(logDecay.to(ScalarType.Float64).exp().neg());
        return new ContinuousDiagonal(
            logTimeStep.to(ScalarType.Float64).exp().unsqueeze(-1),
            re,
            Rows(frequency),
            new ComplexPair(ones_like(re), zeros_like(re)),
            ComplexPair.From(readout[channel].to(ScalarType.Float64)),
            Dtype);
    }

    // C B with C and B complex standard normal, B scaled by 1 / sqrt(2 sum over n of |b/a|^2).
    private static Tensor InitialReadout(DiagonalSsmOptions options, long matrices, long headCount, int channelCount, Generator random)
    {
        var n = options.StateDim / 2;
        var (re, im) = DiagonalMatrix.Create(options.Initialization, matrices, options.StateDim);
        var drawn = randn([matrices, n, 2], ScalarType.Float64, generator: random).mul_(Math.Sqrt(0.5));
        var gain = (drawn.square().sum(-1) / (re.square() + im.square())).sum(-1, keepdim: true).mul_(2).rsqrt_().unsqueeze(-1);
        var B = ComplexPair.From(ContinuousDiagonal.Tile(drawn * gain, headCount));
        var C = ComplexPair.From(randn([channelCount, headCount, n, 2], ScalarType.Float64, generator: random).mul_(Math.Sqrt(0.5)));
        return C.Times(B).Join();
    }
}
