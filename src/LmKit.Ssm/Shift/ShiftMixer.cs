using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A shift state space layer, the key path of H3 by itself (Fu et al. 2022, Algorithm 1): y = W_out (SSM_shift(u) + D u) + b with u = W_in x.</summary>
/// <remarks>Each channel sees its last N inputs. Parameters of the state space and the carried state, those N inputs, are never below
/// float32. Causal only.</remarks>
public sealed class ShiftMixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer
{
    [ComponentName(Name = "in_proj")]
    private readonly ILinear input;
    [ComponentName(Name = "kernel")]
    private readonly ShiftSsm shift;
    [ComponentName(Name = "D")]
    private readonly Parameter skip; // (D)
    [ComponentName(Name = "output_linear")]
    private readonly ILinear output;
    private readonly long modelDim;

    /// <summary>Makes it for a layer.</summary>
    /// <exception cref="ArgumentException">The state size is below 1.</exception>
    /// <exception cref="NotSupportedException">The model is bidirectional.</exception>
    public ShiftMixer(ShiftOptions options, LayerContext layer)
        : base(nameof(ShiftMixer))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        if (layer.IsBidirectional)
            throw new NotSupportedException($"{nameof(ShiftMixer)} shifts from left to right only; take S4D or a long convolution in a bidirectional model.");
        if (options.StateDim < 1)
            throw new ArgumentException($"{nameof(ShiftOptions)}.{nameof(options.StateDim)} = {options.StateDim} must be 1 or more.", nameof(options));
        modelDim = layer.ModelDim;
        var parameters = layer.Parameters.AtLeastFloat32();
        shift = new ShiftSsm(modelDim, options.StateDim, parameters);
        skip = parameters.Normal(1, modelDim);
        input = layer.Linear("in_proj", modelDim, modelDim);
        output = layer.Linear("output_linear", modelDim, modelDim, isResidualOutput: true);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public MixerState NewState(long batch) =>
        new RecurrentState(nameof(ShiftMixer), ["recent"], [[modelDim, shift.StateDim]], batch, skip.dtype, skip.device);

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        using var scope = NewDisposeScope();
        var call = SequenceCall.Begin(nameof(ShiftMixer), x, modelDim, context);
        if (call.IsEmpty)
            return zeros_like(x).MoveToOuterDisposeScope();
        var taps = LongConvolution.Fold(shift.Taps(), skip); // (D, N)
        var mixed = call.Mix([input.call(x)], (_, _, _) => (inputs, carry, lengths, _) => MixRows(inputs[0], taps, carry, lengths));
        return output.call(mixed.to(x.dtype)).MoveToOuterDisposeScope();
    }

    private (Tensor Output, Tensor[]? Next) MixRows(Tensor projected, Tensor taps, Tensor[]? carry, IReadOnlyList<long>? lengths)
    {
        var u = projected.to(taps.dtype).transpose(1, 2); // (B, D, L)
        if (carry is null)
            return (LongConvolution.Convolve(u, taps).transpose(1, 2), null);
        var (length, history) = (u.size(2), cat([carry[0], u], 2)); // the newest last
        var y = length == 1
            ? (history.narrow(2, 1, shift.StateDim) * taps.flip(1)).sum(-1, keepdim: true)
            : LongConvolution.Convolve(history, taps).narrow(2, shift.StateDim, length);
        return (y.transpose(1, 2), [CarriedRows.Latest(history.detach(), shift.StateDim, length, lengths)]);
    }
}

/// <summary>Options of the shift state space layer.</summary>
public sealed class ShiftOptions
{
    /// <summary>State size N, the inputs that a channel holds and the taps of its filter (d_state). Default 64 (Fu et al. 2022).</summary>
    [Range(1, 65536)]
    [JsonPropertyName("d_state")]
    public long StateDim { get; set; } = 64;
}

/// <summary>The shift state space layer as a component.</summary>
public static class ShiftComponent
{
    /// <summary>The shift state space layer.</summary>
    public static readonly Kind<ShiftOptions, IMixer> Kind = Slots.Mixer.Define<ShiftOptions>("shift", (options, layer) => new ShiftMixer(options, layer));

    /// <summary>Puts shift state spaces into layers; a bidirectional model takes none.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddShift(this LanguageModelBuilder builder, Action<ShiftOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
