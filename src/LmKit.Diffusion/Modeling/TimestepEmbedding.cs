using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The conditioning vector SiLU(W2 SiLU(W1 e + b1) + b2) of noise levels, e = [cos(sigma f), sin(sigma f)], f_j = 10000^(-j/128).</summary>
/// <remarks>The level is not scaled by 1000, as it is in image models. The outer SiLU belongs to the official forward pass.</remarks>
public sealed class TimestepEmbedding : nn.Module<Tensor, Tensor>
{
    private const long FrequencyCount = 128;

    private readonly LinearPair mlp;

    /// <summary>Makes the embedding.</summary>
    /// <param name="conditionDim">Width c of the result.</param>
    /// <param name="parameters">Makes the parameters.</param>
    public TimestepEmbedding(long conditionDim, ParameterFactory parameters)
        : base(nameof(TimestepEmbedding))
    {
        ArgumentNullException.ThrowIfNull(parameters);
        mlp = new LinearPair(2 * FrequencyCount, conditionDim, conditionDim, parameters, x => nn.functional.silu(x));
        RegisterComponents();
    }

    /// <summary>Embeds levels (B) as (B, c).</summary>
    public override Tensor forward(Tensor level)
    {
        new TensorCheck(nameof(TimestepEmbedding)).AnyFloating(level, nameof(level), "B");
        if (level.device_type != mlp.Device.type)
            throw new ArgumentException($"The network lies on {mlp.Device}; got a level on {level.device}. Move it with to().", nameof(level));
        using var scope = NewDisposeScope();
        var dtype = HalfPrecision.Wide(mlp.Dtype); // half precision could not tell late times apart
        var j = arange(0, FrequencyCount, dtype: ScalarType.Float32, device: level.device);
        var frequencies = (j * (-Math.Log(10_000) / FrequencyCount)).exp().to(dtype); // (128)
        var angles = level.to(dtype).unsqueeze(-1) * frequencies; // (B, 128)
        var e = cat([angles.cos(), angles.sin()], -1); // (B, 256)
        return nn.functional.silu(mlp.call(e.to(mlp.Dtype))).MoveToOuterDisposeScope();
    }
}
