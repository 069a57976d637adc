using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

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
