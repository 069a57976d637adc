using LmKit.Benchmarks.LlamaCpp;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A LLaMA decoder from library operations, as a careful user writes it: keys are turned once and kept in a cache allocated in
/// advance, their cosines and sines stand in a table, attention is the fused one, temporaries go with the call.</summary>
/// <remarks>It computes with the parameters of a model of ours, which stay that model's. Heads that share a key head stand side by side as
/// queries of that head, so that keys are never repeated.</remarks>
internal sealed class TurnedCacheTransformer : IDisposable
{
    private readonly LlamaShape shape;
    private readonly Tensor cosines;   // (capacity, P/2)
    private readonly Tensor sines;
    private readonly Tensor embedding; // (V, D)
    private readonly Tensor finalGain;
    private readonly Tensor head;
    private readonly Layer[] layers;

    internal TurnedCacheTransformer(LanguageModel model, LlamaShape shape, long capacity)
    {
        this.shape = shape;
        (embedding, finalGain, head) = (Weight("embeddings.word_embeddings"), Weight("ln_f"), Weight("lm_head"));
        layers = [.. Enumerable.Range(0, shape.LayerCount).Select(index => new Layer(
            Weight($"layers.{index}.norm1"),
            Weight($"layers.{index}.mixer.q_proj"),
            Weight($"layers.{index}.mixer.k_proj"),
            Weight($"layers.{index}.mixer.v_proj"),
            Weight($"layers.{index}.mixer.out_proj"),
            Weight($"layers.{index}.norm2"),
            Weight($"layers.{index}.mlp.gate_proj"),
            Weight($"layers.{index}.mlp.up_proj"),
            Weight($"layers.{index}.mlp.down_proj"),
            zeros(1, shape.KeyValueHeadCount, capacity, shape.HeadDim).DetachFromDisposeScope(),
            zeros(1, shape.KeyValueHeadCount, capacity, shape.HeadDim).DetachFromDisposeScope()))];
        using var scope = NewDisposeScope();
        var frequencies = pow(shape.RotaryBase, arange(0, shape.HeadDim, 2, dtype: ScalarType.Float64) / -shape.HeadDim);
        var phases = arange(capacity, dtype: ScalarType.Float64).unsqueeze(1) * frequencies;
        cosines = phases.cos().to(ScalarType.Float32).DetachFromDisposeScope();
        sines = phases.sin().to(ScalarType.Float32).DetachFromDisposeScope();

        Tensor Weight(string name) => model.get_parameter($"{name}.weight")!;
    }

    /// <summary>Puts the keys and values of a text's start into a layer's cache, as ours read them: (1, L, H, P) before any turn.</summary>
    internal void Hold(int layer, Tensor keys, Tensor values)
    {
        using var scope = NewDisposeScope();
        layers[layer].Keys.narrow(2, 0, keys.size(1)).copy_(Turned(keys.transpose(1, 2), 0));
        layers[layer].Values.narrow(2, 0, values.size(1)).copy_(values.transpose(1, 2));
    }

    /// <summary>Logits (V) behind the token at a position, whose key and value it writes into the cache.</summary>
    internal Tensor Step(Tensor token, long position)
    {
        using var scope = NewDisposeScope();
        var x = embedding.index_select(0, token.view(-1)).view(1, 1, -1);
        foreach (var layer in layers)
        {
            x = x + Attend(layer, Normed(x, layer.MixerGain), position);
            var y = Normed(x, layer.FeedForwardGain);
            x = x + nn.functional.linear(nn.functional.silu(nn.functional.linear(y, layer.Gate)) * nn.functional.linear(y, layer.Up), layer.Down);
        }

        return nn.functional.linear(Normed(x, finalGain), head).view(-1).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var tensor in layers.SelectMany(layer => new[] { layer.Keys, layer.Values }).Concat([cosines, sines]))
            tensor.Dispose();
    }

    private Tensor Attend(Layer layer, Tensor x, long position)
    {
        var q = Turned(Split(nn.functional.linear(x, layer.Query)), position).view(1, shape.KeyValueHeadCount, -1, shape.HeadDim); // (1, Hkv, H / Hkv, P)
        layer.Keys.narrow(2, position, 1).copy_(Turned(Split(nn.functional.linear(x, layer.Key)), position));
        layer.Values.narrow(2, position, 1).copy_(Split(nn.functional.linear(x, layer.Value)));
        var attended = nn.functional.scaled_dot_product_attention(q, layer.Keys.narrow(2, 0, position + 1), layer.Values.narrow(2, 0, position + 1));
        return nn.functional.linear(attended.reshape(1, 1, -1), layer.Output);
    }

    private Tensor Split(Tensor joined) => joined.view(1, -1, 1, shape.HeadDim); // (1, H or Hkv, 1, P)

    // Features t and t + P/2 of (1, H, L, P) turn together; the first of L stands at the position.
    private Tensor Turned(Tensor x, long position)
    {
        var (cosines, sines) = (this.cosines.narrow(0, position, x.size(2)), this.sines.narrow(0, position, x.size(2)));
        var (first, second) = (x.narrow(3, 0, shape.HeadDim / 2), x.narrow(3, shape.HeadDim / 2, shape.HeadDim / 2));
        return cat([first * cosines - second * sines, second * cosines + first * sines], 3);
    }

    private Tensor Normed(Tensor x, Tensor gain) => x * (x.square().mean([-1], keepdim: true) + shape.NormEpsilon).rsqrt() * gain;

    private sealed record Layer(
        Tensor MixerGain,
        Tensor Query,
        Tensor Key,
        Tensor Value,
        Tensor Output,
        Tensor FeedForwardGain,
        Tensor Gate,
        Tensor Up,
        Tensor Down,
        Tensor Keys,
        Tensor Values);
}
