using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The trained tensors of H3's diagonal state space; complex ones are (re, im) pairs.</summary>
internal sealed class DiagonalParameters : nn.Module, IDiagonalParameters, IParameterHints
{
    [ComponentName(Name = "C")]
    private readonly Parameter readout;         // (1, H, n, 2)
    [ComponentName(Name = "B")]
    private readonly Parameter input;           // (S, n, 2)
    [ComponentName(Name = "log_dt")]
    private readonly Parameter logTimeStep;     // (H)
    [ComponentName(Name = "inv_A_real")]
    private readonly Parameter decay;           // (S, n), Re a = -f of it
    [ComponentName(Name = "A_imag")]
    private readonly Parameter frequency;       // (S, n)
    private readonly RealPart realPart;

    internal DiagonalParameters(DiagonalSsmOptions options, long headCount, ParameterFactory factory)
        : base(nameof(DiagonalParameters))
    {
        var n = options.StateDim / 2;
        var matrices = options.Check(headCount);
        realPart = options.RealPart;
        readout = factory.Normal(Math.Sqrt(0.5), 1, headCount, n, 2);
        input = factory.From(_ => tensor([1.0, 0.0]).expand(matrices, n, 2), matrices, n, 2);
        logTimeStep = factory.Uniform(Math.Log(options.MinTimeStep), Math.Log(options.MaxTimeStep), headCount);
        decay = factory.From(_ => realPart.Invert(DiagonalMatrix.Create(options.Initialization, matrices, options.StateDim).Real.neg(), options.Owner), matrices, n);
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
    public bool HasUnitInput => false;

    /// <inheritdoc/>
    public Tensor[] All => [readout, input, logTimeStep, decay, frequency];

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) =>
        parameterName == "C" ? null : new ParameterHint(MaxLearningRate: 1e-3, Decays: false);

    /// <inheritdoc/>
    public ContinuousDiagonal Continuous(int channel)
    {
        var heads = logTimeStep.size(0);
        Tensor Rows(Tensor rows) => ContinuousDiagonal.Tile(rows.to(ScalarType.Float64), heads);
        return new ContinuousDiagonal(
            logTimeStep.to(ScalarType.Float64).exp().unsqueeze(-1),
            Rows(realPart.Apply(decay.to(ScalarType.Float64)).neg()),
            Rows(frequency),
            ComplexPair.From(Rows(input)),
            ComplexPair.From(readout[channel].to(ScalarType.Float64)),
            Dtype);
    }
}

/// <summary>The trained tensors of a diagonal state space, under one family's published names.</summary>
internal interface IDiagonalParameters
{
    ScalarType Dtype { get; }

    Device Device { get; }

    /// <summary>Heads H.</summary>
    long HeadCount { get; }

    /// <summary>Whether the published recurrence adds inputs as they are and reads out by C B-bar.</summary>
    bool HasUnitInput { get; }

    /// <summary>The tensors themselves, for what is made from them.</summary>
    Tensor[] All { get; }

    /// <summary>What they stand for, in float64 and differentiable; lives in the caller's scope.</summary>
    /// <param name="channel">Which of several readouts C.</param>
    ContinuousDiagonal Continuous(int channel);
}
