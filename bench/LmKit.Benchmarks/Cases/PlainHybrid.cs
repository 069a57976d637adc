using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A hybrid of H3 and attention, one token at a time, by hand in library operations: states in place, fused attention over a cache
/// allocated in advance, float32 weights read from an LmKit model by their names.</summary>
internal sealed class PlainHybrid : IDisposable
{
    private const double _epsilon = 1e-5;

    private readonly Dictionary<string, Tensor> _weights;
    private readonly PlainH3Step?[] _steps;     // null where a layer attends
    private readonly Tensor _keys;              // (B, H, capacity, P), of the one layer that attends
    private readonly Tensor _values;
    private readonly long _heads;
    private readonly long _modelDim;
    private long _position;

    public PlainHybrid(LanguageModel model, int layers, long heads, long batch, long capacity)
    {
        _weights = model.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        _steps = [.. Enumerable.Range(0, layers).Select(layer => _weights.ContainsKey($"layers.{layer}.mixer.D") ? new PlainH3Step(_weights, $"layers.{layer}.mixer.", batch) : null)];
        (_heads, _modelDim) = (heads, _weights["embeddings.word_embeddings.weight"].size(1));
        _keys = zeros(batch, heads, capacity, _modelDim / heads);
        _values = zeros(batch, heads, capacity, _modelDim / heads);
    }

    /// <summary>Logits (B, 1, V) of one token a row, (B, 1).</summary>
    public Tensor Step(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var embedding = _weights["embeddings.word_embeddings.weight"];
        var x = embedding.index_select(0, tokens.view(-1)); // (B, D)
        foreach (var (layer, step) in _steps.Index())
        {
            var at = $"layers.{layer}.";
            var normed = Norm(x, at + "norm1");
            var (q, k, v) = (Linear(normed, at + "mixer.q_proj"), Linear(normed, at + "mixer.k_proj"), Linear(normed, at + "mixer.v_proj"));
            x = x + (step is null ? Linear(Attend(q, k, v), at + "mixer.out_proj") : Linear(step.Run(q, k, v), at + "mixer.output_linear"));
            var inner = Linear(Norm(x, at + "norm2"), at + "mlp.fc1");
            x = x + Linear(nn.functional.gelu(inner, TorchSharp.Modules.GELU.Approximate.tanh, false), at + "mlp.fc2");
        }

        _position++;
        return nn.functional.linear(Norm(x, "ln_f"), embedding).unsqueeze(1).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
        foreach (var step in _steps)
        {
            step?.Dispose();
        }
    }

    private Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        _ = _keys.select(2, _position).copy_(Split(k).squeeze(2));
        _ = _values.select(2, _position).copy_(Split(v).squeeze(2));
        var seen = _position + 1;
        return nn.functional.scaled_dot_product_attention(Split(q), _keys.narrow(2, 0, seen), _values.narrow(2, 0, seen)).reshape(-1, _modelDim);
    }

    private Tensor Split(Tensor joined) => joined.view(joined.size(0), _heads, 1, -1); // (B, H, 1, P)

    private Tensor Norm(Tensor x, string name) => nn.functional.layer_norm(x, [_modelDim], _weights[$"{name}.weight"], _weights[$"{name}.bias"], _epsilon);

    private Tensor Linear(Tensor x, string name) => nn.functional.linear(x, _weights[$"{name}.weight"], _weights.GetValueOrDefault($"{name}.bias"));
}
