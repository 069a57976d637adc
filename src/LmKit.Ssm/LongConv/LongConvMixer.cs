using System.ComponentModel.DataAnnotations;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A gated long convolution with a free kernel (as in Hyena, Poli et al. 2023): y = W (q . (k * (u . v) + D (u . v))) + b.</summary>
/// <remarks>u, v and q are projections of x; the kernel is a trained tensor, one row per channel. It has no finite recurrence: the
/// carried state is the last K - 1 products. In a bidirectional model a second kernel reads the strict future.</remarks>
public sealed class LongConvMixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer, IParameterHints
{
    [ComponentName(Name = "q_proj")]
    private readonly ILinear queries;
    [ComponentName(Name = "k_proj")]
    private readonly ILinear keys;
    [ComponentName(Name = "v_proj")]
    private readonly ILinear values;
    [ComponentName(Name = "kernel")]
    private readonly Parameter pastKernel;    // (D, K)
    [ComponentName(Name = "kernel_rev")]
    private readonly Parameter? futureKernel; // (D, K)
    [ComponentName(Name = "D")]
    private readonly Parameter skip;          // (D)
    [ComponentName(Name = "output_linear")]
    private readonly ILinear output;
    private readonly long modelDim;
    private readonly long kernelLength;

    /// <summary>Makes it for a layer; kernels start as noise that decays, over a spread of times.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public LongConvMixer(LongConvOptions options, LayerContext layer)
        : base(nameof(LongConvMixer))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        if (options.KernelLength < 1)
            throw new ArgumentException($"{nameof(LongConvOptions)}.{nameof(options.KernelLength)} = {options.KernelLength} must be 1 or more.", nameof(options));
        if (!(options.MinDecayTime > 0 && double.IsFinite(options.MinDecayTime)))
            throw new ArgumentException(FormattableString.Invariant($"{nameof(LongConvOptions)}.{nameof(options.MinDecayTime)} = {options.MinDecayTime} must be positive and finite."), nameof(options));
        modelDim = layer.ModelDim;
        kernelLength = options.KernelLength;
        IsCausal = !layer.IsBidirectional;
        var parameters = layer.Parameters.AtLeastFloat32();
        pastKernel = parameters.From(random => DecayingNoise(options, modelDim, random), modelDim, kernelLength);
        futureKernel = IsCausal ? null : parameters.From(random => DecayingNoise(options, modelDim, random), modelDim, kernelLength);
        skip = parameters.Normal(1, modelDim);
        queries = layer.Linear("q_proj", modelDim, modelDim);
        keys = layer.Linear("k_proj", modelDim, modelDim);
        values = layer.Linear("v_proj", modelDim, modelDim);
        output = layer.Linear("output_linear", modelDim, modelDim, isResidualOutput: true);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public bool IsCausal { get; }

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) =>
        parameterName is "kernel" or "kernel_rev" ? new ParameterHint(MaxLearningRate: 1e-3, Decays: false) : null;

    /// <inheritdoc/>
    public MixerState NewState(long batch) => IsCausal
        ? new RecurrentState(nameof(LongConvMixer), ["recent"], [[modelDim, kernelLength - 1]], batch, pastKernel.dtype, pastKernel.device)
        : throw new NotSupportedException($"{nameof(LongConvMixer)} of a bidirectional model reads later tokens, so no state can be carried from call to call.");

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        using var scope = NewDisposeScope();
        var call = SequenceCall.Begin(nameof(LongConvMixer), x, modelDim, context);
        if (call.IsEmpty)
            return zeros_like(x).MoveToOuterDisposeScope();
        var mixed = call.Mix([queries.call(x), keys.call(x), values.call(x)], (_, _, _) => IsCausal ? Causal : Bidirectional);
        return output.call(mixed.to(x.dtype)).MoveToOuterDisposeScope();
    }

    private (Tensor Output, Tensor[]? Next) Causal(Tensor[] inputs, Tensor[]? carry, IReadOnlyList<long>? lengths, bool tracksState)
    {
        var (q, k, v) = (Signals(inputs[0]), Signals(inputs[1]), Signals(inputs[2]));
        if (carry is null)
            return (LongConvolution.Gated(v, pastKernel, k, q, skip).transpose(1, 2), null);
        var (length, history) = (q.size(2), cat([carry[0], k * v], 2));
        var y = length == 1
            ? (history * LongConvolution.Fold(pastKernel, skip).flip(1)).sum(-1, keepdim: true)
            : LongConvolution.Convolve(history, pastKernel, skip).narrow(2, history.size(2) - length, length);
        Tensor[] next = [CarriedRows.Latest(tracksState ? history : history.detach(), kernelLength - 1, length, lengths)];
        return ((q * y).transpose(1, 2), next);
    }

    private (Tensor Output, Tensor[]? Next) Bidirectional(Tensor[] inputs, Tensor[]? carry, IReadOnlyList<long>? lengths, bool tracksState)
    {
        var products = TrimmedRows.Clear(inputs[1].to(pastKernel.dtype) * inputs[2].to(pastKernel.dtype), lengths);
        var future = nn.functional.pad(futureKernel!, [1, 0]); // strict: u_t itself is left out
        return ((Signals(inputs[0]) * LongConvolution.Convolve(Signals(products), pastKernel, skip, future)).transpose(1, 2), null);
    }

    private Tensor Signals(Tensor columns) => columns.to(pastKernel.dtype).transpose(1, 2); // (B, D, L)

    // Unit energy in each row: N(0, 1 - r^2) times r^t, r = e^(-1 / time), times log-spaced from the least to the kernel's length.
    private static Tensor DecayingNoise(LongConvOptions options, long channelCount, Generator random)
    {
        var longest = Math.Max(options.MinDecayTime, options.KernelLength);
        var times = logspace(Math.Log10(options.MinDecayTime), Math.Log10(longest), channelCount, dtype: ScalarType.Float64).unsqueeze(-1);
        var rates = times.reciprocal().neg().exp();
        var envelope = (arange(options.KernelLength, dtype: ScalarType.Float64) / times).neg().exp();
        return randn([channelCount, options.KernelLength], ScalarType.Float64, generator: random) * envelope * (1 - rates.square()).sqrt();
    }
}

/// <summary>Options of the gated long convolution.</summary>
public sealed class LongConvOptions
{
    /// <summary>Taps of each channel's trained kernel, the context that it sees (kernel_length). Default 1024.</summary>
    [Range(1, 1 << 24)]
    public long KernelLength { get; set; } = 1024;

    /// <summary>Shortest initial decay time of a channel's kernel in tokens; channels spread up to the kernel's length. Default 2.</summary>
    [Range(0.1, 1e9)]
    public double MinDecayTime { get; set; } = 2;
}

/// <summary>The gated long convolution as a component.</summary>
public static class LongConvComponent
{
    /// <summary>The gated long convolution.</summary>
    public static readonly Kind<LongConvOptions, IMixer> Kind = Slots.Mixer.Define<LongConvOptions>("long_conv", (options, layer) => new LongConvMixer(options, layer));

    /// <summary>Puts gated long convolutions into layers; bidirectional where the model is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddLongConv(this LanguageModelBuilder builder, Action<LongConvOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
