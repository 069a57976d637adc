using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A pre-norm Transformer decoder written with library operations alone: fused attention over a cache allocated in advance.</summary>
/// <remarks>It has no position encoding, whose cost it is spared.</remarks>
internal sealed class PlainTransformer : IDisposable
{
    private readonly long headDim;
    private readonly long modelDim;
    private readonly Tensor embedding;   // (V, D)
    private readonly Layer[] layers;

    internal PlainTransformer(Generator random, int layers, long modelDim, long heads, long vocabSize, long capacity)
    {
        (this.modelDim, headDim) = (modelDim, modelDim / heads);
        embedding = Weight(random, vocabSize, modelDim);
        this.layers = [.. Enumerable.Range(0, layers).Select(_ => new Layer(
            Weight(random, modelDim, modelDim),
            Weight(random, modelDim, modelDim),
            Weight(random, modelDim, modelDim),
            Weight(random, modelDim, modelDim),
            Weight(random, 4 * modelDim, modelDim),
            Weight(random, modelDim, 4 * modelDim),
            randn(1, heads, capacity, headDim, generator: random),
            randn(1, heads, capacity, headDim, generator: random)))];
    }

    /// <summary>Logits (1, 1, V) of the token at a position, whose key and value it writes into the cache.</summary>
    internal Tensor Step(Tensor token, long position)
    {
        using var scope = NewDisposeScope();
        var x = embedding.index_select(0, token.view(-1)).view(1, 1, modelDim);
        foreach (var layer in layers)
        {
            x = x + Attend(layer, nn.functional.layer_norm(x, [modelDim]), position);
            var inner = nn.functional.linear(nn.functional.layer_norm(x, [modelDim]), layer.Expand);
            x = x + nn.functional.linear(nn.functional.gelu(inner, TorchSharp.Modules.GELU.Approximate.tanh, false), layer.Contract);
        }

        return nn.functional.linear(nn.functional.layer_norm(x, [modelDim]), embedding).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        embedding.Dispose();
        foreach (var tensor in layers.SelectMany(layer => layer.Tensors))
            tensor.Dispose();
    }

    private Tensor Attend(Layer layer, Tensor x, long position)
    {
        var q = Split(nn.functional.linear(x, layer.Query));
        _ = layer.Keys.narrow(2, position, 1).copy_(Split(nn.functional.linear(x, layer.Key)));
        _ = layer.Values.narrow(2, position, 1).copy_(Split(nn.functional.linear(x, layer.Value)));
        var attended = nn.functional.scaled_dot_product_attention(q, layer.Keys.narrow(2, 0, position + 1), layer.Values.narrow(2, 0, position + 1));
        return nn.functional.linear(attended.transpose(1, 2).reshape(1, 1, modelDim), layer.Output);
    }

    private Tensor Split(Tensor joined) => joined.view(1, 1, -1, headDim).transpose(1, 2); // (1, H, 1, P)

    private static Tensor Weight(Generator random, long outputs, long inputs)
    {
        using var scope = NewDisposeScope();
        return (randn(outputs, inputs, generator: random) * 0.02).DetachFromDisposeScope();
    }

    private sealed record Layer(Tensor Query, Tensor Key, Tensor Value, Tensor Output, Tensor Expand, Tensor Contract, Tensor Keys, Tensor Values)
    {
        internal IEnumerable<Tensor> Tensors => [Query, Key, Value, Output, Expand, Contract, Keys, Values];
    }
}
