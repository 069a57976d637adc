using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A linear that starts as U(-1, 1) / sqrt(fan-in), weight and bias alike, or at zero.</summary>
internal sealed class UniformAffine : nn.Module<Tensor, Tensor>
{
    private readonly Parameter weight;
    private readonly Parameter? bias;

    internal UniformAffine(long inFeatures, long outFeatures, ParameterFactory parameters, bool hasBias = true, bool isZero = false)
        : base(nameof(UniformAffine))
    {
        var bound = isZero ? 0 : 1 / Math.Sqrt(inFeatures);
        weight = Draw(outFeatures, inFeatures);
        bias = hasBias ? Draw(outFeatures) : null;
        RegisterComponents();

        Parameter Draw(params long[] shape) => isZero ? parameters.Constant(0, shape) : parameters.Uniform(-bound, bound, shape);
    }

    internal Device Device => weight.device;

    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, weight.IsInvalid ? 0 : weight.size(1), nameof(DiffusionTransformer));
        return nn.functional.linear(x, weight, bias);
    }
}

/// <summary>W2 f(W1 x + b1) + b2, its linears named 0 and 2 as in the published checkpoints (1 is the function).</summary>
internal sealed class LinearPair : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "0")]
    private readonly UniformAffine first;
    [ComponentName(Name = "2")]
    private readonly UniformAffine second;
    private readonly Func<Tensor, Tensor> function;

    internal LinearPair(long inFeatures, long middle, long outFeatures, ParameterFactory parameters, Func<Tensor, Tensor> function)
        : base(nameof(LinearPair))
    {
        this.function = function;
        Dtype = parameters.Dtype;
        first = new UniformAffine(inFeatures, middle, parameters);
        second = new UniformAffine(middle, outFeatures, parameters);
        RegisterComponents();
    }

    internal ScalarType Dtype { get; }

    internal Device Device => first.Device;

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return second.call(function(first.call(x))).MoveToOuterDisposeScope();
    }
}

/// <summary>Layer normalisation with a weight and no bias, epsilon 1e-5.</summary>
internal sealed class ScaleNorm : nn.Module<Tensor, Tensor>, IParameterHints
{
    private readonly Parameter weight;
    private readonly long[] width;

    internal ScaleNorm(long modelDim, ParameterFactory parameters)
        : base(nameof(ScaleNorm))
    {
        width = [modelDim];
        weight = parameters.Constant(1, modelDim);
        RegisterComponents();
    }

    public ParameterHint Hint(string parameterName) => new(IsVector: true);

    public override Tensor forward(Tensor x) => nn.functional.layer_norm(x, width, weight, null, 1e-5);
}

/// <summary>The token table E: ids (B, L) to rows of E, or soft rows (B, L, V) to softmax(rows) E.</summary>
internal sealed class TokenVectors : nn.Module<Tensor, Tensor>, IParameterHints
{
    private readonly Parameter embedding;

    internal TokenVectors(long vocabSize, long modelDim, ParameterFactory parameters)
        : base(nameof(TokenVectors))
    {
        var bound = 1 / Math.Sqrt(modelDim);
        embedding = parameters.Uniform(-bound, bound, vocabSize, modelDim); // (V, D)
        RegisterComponents();
    }

    internal Device Device => embedding.device;

    public ParameterHint Hint(string parameterName) => new(IsVector: true);

    public override Tensor forward(Tensor tokens)
    {
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(DiffusionTransformer));
        ObjectDisposedException.ThrowIf(embedding.IsInvalid, typeof(DiffusionTransformer));
        if (tokens.device_type != embedding.device_type)
            throw new ArgumentException($"The network lies on {embedding.device}; got tokens on {tokens.device}. Move them with to().", nameof(tokens));
        using var scope = NewDisposeScope();
        if (tokens.is_floating_point())
        {
            Shapes.CheckSequence(tokens, embedding.size(0), nameof(DiffusionTransformer));
            return einsum("blv,vd->bld", tokens.to(HalfPrecision.Wide(embedding.dtype)).softmax(-1).to(embedding.dtype), embedding).MoveToOuterDisposeScope();
        }
        if (tokens.dtype != ScalarType.Int64 || tokens.dim() != 2)
            throw new ArgumentException($"Tokens are int64 of shape (B, L), soft rows floating (B, L, V); got {tokens.dtype} ({string.Join(", ", tokens.shape)}).", nameof(tokens));
        if (tokens.numel() > 0 && tokens.device_type == DeviceType.CPU && (tokens.min().item<long>() < 0 || tokens.max().item<long>() >= embedding.size(0)))
            throw new ArgumentException($"Token ids lie between 0 and {embedding.size(0) - 1}; got {tokens.min().item<long>()} to {tokens.max().item<long>()}.", nameof(tokens));
        long[] shape = [.. tokens.shape, embedding.size(1)];
        return embedding.index_select(0, tokens.reshape(-1)).view(shape).MoveToOuterDisposeScope();
    }
}
