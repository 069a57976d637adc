using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A hybrid of H3 and attention, one token at a time, by hand in library operations: states in place, fused attention over a cache
/// allocated in advance, float32 weights read from an LmKit model by their names.</summary>
internal sealed class PlainHybrid : IDisposable
{
    private const double epsilon = 1e-5;

    private readonly Dictionary<string, Tensor> weights;
    private readonly PlainH3Step?[] steps;     // null where a layer attends
    private readonly Tensor keys;              // (B, H, capacity, P), of the one layer that attends
    private readonly Tensor values;
    private readonly long heads;
    private readonly long modelDim;
    private long position;

    internal PlainHybrid(LanguageModel model, int layers, long heads, long batch, long capacity)
    {
        weights = model.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        steps = [.. Enumerable.Range(0, layers).Select(layer => weights.ContainsKey($"layers.{layer}.mixer.D") ? new PlainH3Step(weights, $"layers.{layer}.mixer.", batch) : null)];
        (this.heads, modelDim) = (heads, weights["embeddings.word_embeddings.weight"].size(1));
        keys = zeros(batch, heads, capacity, modelDim / heads);
        values = zeros(batch, heads, capacity, modelDim / heads);
    }

    /// <summary>Logits (B, 1, V) of one token a row, (B, 1).</summary>
    internal Tensor Step(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var embedding = weights["embeddings.word_embeddings.weight"];
        var x = embedding.index_select(0, tokens.view(-1)); // (B, D)
        foreach (var (layer, step) in steps.Index())
        {
            var at = $"layers.{layer}.";
            var normed = Norm(x, at + "norm1");
            var (q, k, v) = (Linear(normed, at + "mixer.q_proj"), Linear(normed, at + "mixer.k_proj"), Linear(normed, at + "mixer.v_proj"));
            x = x + (step is null ? Linear(Attend(q, k, v), at + "mixer.out_proj") : Linear(step.Run(q, k, v), at + "mixer.output_linear"));
            var inner = Linear(Norm(x, at + "norm2"), at + "mlp.fc1");
            x = x + Linear(nn.functional.gelu(inner, TorchSharp.Modules.GELU.Approximate.tanh, false), at + "mlp.fc2");
        }

        position++;
        return nn.functional.linear(Norm(x, "ln_f"), embedding).unsqueeze(1).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        keys.Dispose();
        values.Dispose();
        foreach (var step in steps)
            step?.Dispose();
    }

    private Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        _ = keys.select(2, position).copy_(Split(k).squeeze(2));
        _ = values.select(2, position).copy_(Split(v).squeeze(2));
        var seen = position + 1;
        return nn.functional.scaled_dot_product_attention(Split(q), keys.narrow(2, 0, seen), values.narrow(2, 0, seen)).reshape(-1, modelDim);
    }

    private Tensor Split(Tensor joined) => joined.view(joined.size(0), heads, 1, -1); // (B, H, 1, P)

    private Tensor Norm(Tensor x, string name) => nn.functional.layer_norm(x, [modelDim], weights[$"{name}.weight"], weights[$"{name}.bias"], epsilon);

    private Tensor Linear(Tensor x, string name) => nn.functional.linear(x, weights[$"{name}.weight"], weights.GetValueOrDefault($"{name}.bias"));
}
