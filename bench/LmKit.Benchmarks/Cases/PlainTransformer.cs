using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A pre-norm Transformer decoder written with library operations alone: fused attention over a cache allocated in advance.</summary>
/// <remarks>It has no position encoding, whose cost it is spared.</remarks>
internal sealed class PlainTransformer : IDisposable
{
    private readonly long _headDim;
    private readonly long _modelDim;
    private readonly Tensor _embedding;   // (V, D)
    private readonly Layer[] _layers;

    public PlainTransformer(Generator random, int layers, long modelDim, long heads, long vocabSize, long capacity)
    {
        (_modelDim, _headDim) = (modelDim, modelDim / heads);
        _embedding = Weight(random, vocabSize, modelDim);
        _layers = [.. Enumerable.Range(0, layers).Select(_ => new Layer(
            Weight(random, modelDim, modelDim),
            Weight(random, modelDim, modelDim),
            Weight(random, modelDim, modelDim),
            Weight(random, modelDim, modelDim),
            Weight(random, 4 * modelDim, modelDim),
            Weight(random, modelDim, 4 * modelDim),
            randn(1, heads, capacity, _headDim, generator: random),
            randn(1, heads, capacity, _headDim, generator: random)))];
    }

    /// <summary>Logits (1, 1, V) of the token at a position, whose key and value it writes into the cache.</summary>
    public Tensor Step(Tensor token, long position)
    {
        using var scope = NewDisposeScope();
        var x = _embedding.index_select(0, token.view(-1)).view(1, 1, _modelDim);
        foreach (var layer in _layers)
        {
            x = x + Attend(layer, nn.functional.layer_norm(x, [_modelDim]), position);
            var inner = nn.functional.linear(nn.functional.layer_norm(x, [_modelDim]), layer.Expand);
            x = x + nn.functional.linear(nn.functional.gelu(inner, TorchSharp.Modules.GELU.Approximate.tanh, false), layer.Contract);
        }

        return nn.functional.linear(nn.functional.layer_norm(x, [_modelDim]), _embedding).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _embedding.Dispose();
        foreach (var tensor in _layers.SelectMany(layer => layer.Tensors))
        {
            tensor.Dispose();
        }
    }

    private Tensor Attend(Layer layer, Tensor x, long position)
    {
        var q = Split(nn.functional.linear(x, layer.Query));
        _ = layer.Keys.narrow(2, position, 1).copy_(Split(nn.functional.linear(x, layer.Key)));
        _ = layer.Values.narrow(2, position, 1).copy_(Split(nn.functional.linear(x, layer.Value)));
        var attended = nn.functional.scaled_dot_product_attention(q, layer.Keys.narrow(2, 0, position + 1), layer.Values.narrow(2, 0, position + 1));
        return nn.functional.linear(attended.transpose(1, 2).reshape(1, 1, _modelDim), layer.Output);
    }

    private Tensor Split(Tensor joined) => joined.view(1, 1, -1, _headDim).transpose(1, 2); // (1, H, 1, P)

    private static Tensor Weight(Generator random, long outputs, long inputs)
    {
        using var scope = NewDisposeScope();
        return (randn(outputs, inputs, generator: random) * 0.02).DetachFromDisposeScope();
    }

    private sealed record Layer(Tensor Query, Tensor Key, Tensor Value, Tensor Output, Tensor Expand, Tensor Contract, Tensor Keys, Tensor Values)
    {
        public IEnumerable<Tensor> Tensors => [Query, Key, Value, Output, Expand, Contract, Keys, Values];
    }
}
