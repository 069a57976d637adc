using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The Mamba-1 layer (Gu and Dao 2023, Section 3.4): y = W_out(scan(silu(conv(x'))) . silu(z)) with (x', z) = W_in x.</summary>
/// <remarks>The scan's parameters, the short convolution and states are never below float32. Causal only.</remarks>
public sealed class SelectiveScanMixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer, IParameterHints
{
    [ComponentName(Name = "A_log")]
    private readonly Parameter logDecay;           // (E, N), a = -exp of it
    [ComponentName(Name = "D")]
    private readonly Parameter skip;               // (E)
    [ComponentName(Name = "in_proj")]
    private readonly ILinear input;                // (2E, D)
    [ComponentName(Name = "conv1d")]
    private readonly ShortConvolution convolution;
    [ComponentName(Name = "x_proj")]
    private readonly ILinear selection;            // (R + 2N, E)
    [ComponentName(Name = "dt_proj")]
    private readonly TimeStepProjection timeSteps;
    [ComponentName(Name = "out_proj")]
    private readonly ILinear output;               // (D, E)
    private readonly long modelDim;
    private readonly long innerDim;
    private readonly long stateDim;
    private readonly long tapCount;
    private readonly long rank;

    /// <summary>Makes it for a layer.</summary>
    /// <exception cref="ArgumentException">The time steps are not finite with 0 &lt; min &lt;= max.</exception>
    /// <exception cref="NotSupportedException">The model is bidirectional.</exception>
    public SelectiveScanMixer(SelectiveScanOptions options, LayerContext layer)
        : base(nameof(SelectiveScanMixer))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        if (layer.IsBidirectional)
            throw new NotSupportedException($"{nameof(SelectiveScanMixer)} scans from left to right only; take S4D or a long convolution in a bidirectional model.");
        if (!(options.MinTimeStep > 0 && options.MinTimeStep <= options.MaxTimeStep && double.IsFinite(options.MaxTimeStep)))
            throw new ArgumentException(FormattableString.Invariant($"{nameof(SelectiveScanOptions)}.{nameof(options.MinTimeStep)} = {options.MinTimeStep} must be above 0 and at most {nameof(options.MaxTimeStep)} = {options.MaxTimeStep}, both finite."), nameof(options));
        if (!(options.TimeStepFloor > 0 && double.IsFinite(options.TimeStepFloor)))
            throw new ArgumentException(FormattableString.Invariant($"{nameof(SelectiveScanOptions)}.{nameof(options.TimeStepFloor)} = {options.TimeStepFloor} must be positive and finite."), nameof(options));
        modelDim = layer.ModelDim;
        innerDim = options.Expansion * modelDim;
        stateDim = options.StateDim;
        tapCount = options.ConvolutionLength;
        rank = options.TimeStepRank > 0 ? options.TimeStepRank : (modelDim + 15) / 16;
        var parameters = layer.Parameters.AtLeastFloat32();
        logDecay = parameters.From(_ => arange(1, stateDim + 1, dtype: ScalarType.Float64).log().expand(innerDim, stateDim), innerDim, stateDim);
        skip = parameters.Constant(1, innerDim);
        input = layer.Linear("in_proj", modelDim, 2 * innerDim, hasBias: false);
        convolution = new ShortConvolution(innerDim, tapCount, parameters);
        selection = layer.Linear("x_proj", innerDim, rank + 2 * stateDim, hasBias: false);
        timeSteps = new TimeStepProjection(options, innerDim, rank, parameters);
        output = layer.Linear("out_proj", innerDim, modelDim, hasBias: false, isResidualOutput: true);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) => parameterName is "A_log" or "D" ? new ParameterHint(Decays: false) : null;

    /// <inheritdoc/>
    public MixerState NewState(long batch) =>
        new RecurrentState(nameof(SelectiveScanMixer), ["conv_state", "ssm_state"], [[innerDim, tapCount], [innerDim, stateDim]], batch, logDecay.dtype, logDecay.device);

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        using var scope = NewDisposeScope();
        var call = SequenceCall.Begin(nameof(SelectiveScanMixer), x, modelDim, context);
        if (call.IsEmpty)
            return zeros_like(x).MoveToOuterDisposeScope();
        var halves = input.call(x).chunk(2, -1);                // x' and z (B, L, E)
        var scanned = call.Mix([halves[0]], (_, _, _) => MixRows); // (B, L, E)
        return output.call((scanned * nn.functional.silu(halves[1])).to(x.dtype)).MoveToOuterDisposeScope();
    }

    private (Tensor Output, Tensor[]? Next) MixRows(Tensor[] inputs, Tensor[]? carry, IReadOnlyList<long>? lengths, bool tracksState)
    {
        var dtype = convolution.Dtype;
        var columns = inputs[0].to(dtype).transpose(1, 2);      // (B, E, L)
        var length = columns.size(2);
        var history = carry is null ? nn.functional.pad(columns, [tapCount - 1, 0]) : cat([carry[0], columns], 2);
        var u = nn.functional.silu(convolution.Apply(carry is null ? history : history.narrow(2, 1, tapCount - 1 + length)));
        var selected = selection.call(u.transpose(1, 2).to(inputs[0].dtype)).split([rank, stateDim, stateDim], -1);
        var (y, h) = SelectiveScan.Run(
            u,
            timeSteps.call(selected[0]).transpose(1, 2),
            logDecay.exp().neg(),
            selected[1].to(dtype).transpose(1, 2),
            selected[2].to(dtype).transpose(1, 2),
            skip,
            state: carry?[1],
            lengths: lengths);
        Tensor[]? next = carry is null ? null : [CarriedRows.Latest(history, tapCount, length, lengths), h];
        return (y.transpose(1, 2), next);
    }
}

/// <summary>A depthwise causal convolution of a few taps with bias, x_t = b + sum over j of w_j u_(t-T+1+j).</summary>
internal sealed class ShortConvolution : nn.Module
{
    private readonly Parameter weight; // (E, 1, T)
    private readonly Parameter bias;   // (E)

    internal ShortConvolution(long channelCount, long tapCount, ParameterFactory factory)
        : base(nameof(ShortConvolution))
    {
        var bound = 1 / Math.Sqrt(tapCount);
        weight = factory.Uniform(-bound, bound, channelCount, 1, tapCount);
        bias = factory.Uniform(-bound, bound, channelCount);
        RegisterComponents();
    }

    internal ScalarType Dtype => weight.dtype;

    internal Device Device => weight.device;

    /// <summary>The outputs of the newest columns.</summary>
    /// <param name="history">(B, E, T - 1 + L).</param>
    /// <returns>(B, E, L).</returns>
    internal Tensor Apply(Tensor history) => nn.functional.conv1d(history, weight, bias, groups: weight.size(0));
}

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
