using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The condition SiLU(W2 SiLU(W1 e + b1) + b2) of noise levels, e = [cos(sigma f), sin(sigma f)], f_j = 10000^(-j/128).</summary>
/// <remarks>The level is not scaled by 1000, as it is in image models. The outer SiLU belongs to the official forward pass.</remarks>
public sealed class TimestepEmbedding : nn.Module<Tensor, Tensor>, IConditioning
{
    private const long FrequencyCount = 128;

    [ComponentName(Name = "fc1")]
    private readonly ILinear expand;
    [ComponentName(Name = "fc2")]
    private readonly ILinear contract;

    /// <summary>Makes it for a model.</summary>
    public TimestepEmbedding(TimestepEmbeddingOptions options, LayerContext layer)
        : base(nameof(TimestepEmbedding))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        (ConditionDim, Scale, IsTimeConditioned) = (options.ConditionDim, options.Scale, options.IsTimeConditioned);
        expand = layer.Linear("fc1", 2 * FrequencyCount, ConditionDim);
        contract = layer.Linear("fc2", ConditionDim, ConditionDim);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long ConditionDim { get; }

    /// <summary>On which scale levels are told.</summary>
    public LevelScale Scale { get; }

    /// <summary>Whether the model is trained on true levels instead of level 0.</summary>
    public bool IsTimeConditioned { get; }

    /// <summary>Embeds levels (B) as (B, C).</summary>
    public override Tensor forward(Tensor level)
    {
        new TensorCheck(nameof(TimestepEmbedding)).AnyFloating(level, nameof(level), "B");
        using var scope = NewDisposeScope();
        var weight = parameters().First();
        ObjectDisposedException.ThrowIf(weight.IsInvalid, this);
        if (level.device_type != weight.device_type)
            throw new ArgumentException($"The network lies on {weight.device}; got a level on {level.device}. Move it with to().", nameof(level));
        var dtype = HalfPrecision.Wide(weight.dtype); // half precision could not tell late times apart
        var j = arange(0, FrequencyCount, dtype: ScalarType.Float32, device: level.device);
        var frequencies = (j * (-Math.Log(10_000) / FrequencyCount)).exp().to(dtype); // (128)
        var angles = level.to(dtype).unsqueeze(-1) * frequencies; // (B, 128)
        var e = cat([angles.cos(), angles.sin()], -1); // (B, 256)
        return nn.functional.silu(contract.call(nn.functional.silu(expand.call(e.to(weight.dtype))))).MoveToOuterDisposeScope();
    }
}

/// <summary>Options of the conditioning on noise levels.</summary>
public sealed class TimestepEmbeddingOptions
{
    /// <summary>Width C of the condition (cond_dim). Default 128.</summary>
    [Range(1L, int.MaxValue)]
    [JsonPropertyName("cond_dim")]
    public long ConditionDim { get; set; } = 128;

    /// <summary>On which scale the model is told the noise, where it is time-conditioned: <see cref="LevelScale.Time"/> for training under
    /// <see cref="LossWeighting.ChangeOfVariables"/>. Default the total noise.</summary>
    [JsonPropertyName("level_scale")]
    public LevelScale Scale { get; set; }

    /// <summary>Whether the model is trained on true levels (time_conditioning); published text models are told level 0 at every step, in training and
    /// sampling. Default false.</summary>
    [JsonPropertyName("time_conditioning")]
    public bool IsTimeConditioned { get; set; }
}
