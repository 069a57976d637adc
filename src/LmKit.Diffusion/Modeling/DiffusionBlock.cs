using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One block: x + g1 dropout(attention(LN1(x) (1 + sc1) + sh1)), then x + g2 dropout(mlp(LN2(x) (1 + sc2) + sh2)).</summary>
/// <remarks>Shift, scale and gate come from the conditioning in the order sh1, sc1, g1, sh2, sc2, g2 and start at zero, so that a new
/// block is the identity. Attention is bidirectional with rotary positions over whole heads, halves paired,
/// and computed in float32 or wider.</remarks>
internal sealed class DiffusionBlock : nn.Module<Tensor, Tensor, Tensor>
{
    private readonly ScaleNorm norm1;
    [ComponentName(Name = "attn_qkv")]
    private readonly UniformAffine queriesKeysValues;
    [ComponentName(Name = "attn_out")]
    private readonly UniformAffine attentionOutput;
    private readonly ScaleNorm norm2;
    private readonly LinearPair mlp;
    [ComponentName(Name = "adaLN_modulation")]
    private readonly UniformAffine modulation;
    private readonly Dropout dropout;
    private readonly RotaryEmbedding rotary;
    private readonly long headCount;

    internal DiffusionBlock(DiffusionTransformerOptions options, ParameterFactory parameters, Generator random)
        : base(nameof(DiffusionBlock))
    {
        var width = options.ModelDim;
        headCount = options.HeadCount;
        norm1 = new ScaleNorm(width, parameters);
        queriesKeysValues = new UniformAffine(width, 3 * width, parameters, hasBias: false);
        attentionOutput = new UniformAffine(width, width, parameters, hasBias: false);
        norm2 = new ScaleNorm(width, parameters);
        mlp = new LinearPair(width, 4 * width, width, parameters, x => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh, false));
        modulation = new UniformAffine(options.ConditionDim, 6 * width, parameters, isZero: true);
        dropout = new Dropout(options.DropoutRate, random);
        rotary = new RotaryEmbedding(width / headCount);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, Tensor condition)
    {
        using var scope = NewDisposeScope();
        var parts = modulation.call(condition).unsqueeze(1).chunk(6, -1); // each (B or 1, 1, D)
        var mixed = Attend(Modulate(norm1.call(x), parts[0], parts[1]));
        x = x + parts[2] * dropout.call(mixed);
        var fed = mlp.call(Modulate(norm2.call(x), parts[3], parts[4]));
        return (x + parts[5] * dropout.call(fed)).MoveToOuterDisposeScope();
    }

    internal static Tensor Modulate(Tensor x, Tensor shift, Tensor scale) => x * (scale + 1) + shift;

    private Tensor Attend(Tensor y)
    {
        var (batch, length, width) = (y.size(0), y.size(1), y.size(2));
        var joint = queriesKeysValues.call(y).view(batch, length, 3, headCount, width / headCount).permute(2, 0, 3, 1, 4); // (3, B, H, L, P)
        var positions = arange(length, dtype: ScalarType.Int64, device: y.device).unsqueeze(0); // (1, L)
        var q = rotary.EncodeQueries(HalfPrecision.Widen(joint[0]), positions); // rounded, rotated queries could not tell keys apart
        var k = rotary.EncodeKeys(HalfPrecision.Widen(joint[1]), positions);
        var v = HalfPrecision.Widen(joint[2]).contiguous();
        var attended = nn.functional.scaled_dot_product_attention(q, k, v).to(y.dtype); // (B, H, L, P)
        return attentionOutput.call(attended.transpose(1, 2).reshape(batch, length, width));
    }
}

/// <summary>The last step: logits = W (LN(x) (1 + sc) + sh) + b; modulation, weight and bias start at zero.</summary>
internal sealed class DiffusionHead : nn.Module
{
    [ComponentName(Name = "norm_final")]
    private readonly ScaleNorm norm;
    private readonly UniformAffine linear;
    [ComponentName(Name = "adaLN_modulation")]
    private readonly UniformAffine modulation;

    internal DiffusionHead(DiffusionTransformerOptions options, ParameterFactory parameters)
        : base(nameof(DiffusionHead))
    {
        norm = new ScaleNorm(options.ModelDim, parameters);
        linear = new UniformAffine(options.ModelDim, options.VocabSize, parameters, isZero: true);
        modulation = new UniformAffine(options.ConditionDim, 2 * options.ModelDim, parameters, isZero: true);
        RegisterComponents();
    }

    internal Tensor Normalize(Tensor x, Tensor condition)
    {
        using var scope = NewDisposeScope();
        var parts = modulation.call(condition).unsqueeze(1).chunk(2, -1);
        return DiffusionBlock.Modulate(norm.call(x), parts[0], parts[1]).MoveToOuterDisposeScope();
    }

    internal Tensor Logits(Tensor hidden) => linear.call(hidden);
}
