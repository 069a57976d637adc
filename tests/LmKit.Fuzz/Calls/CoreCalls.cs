using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Entry points of LmKit.Core.</summary>
internal static class CoreCalls
{
    internal static IEnumerable<FuzzTarget> All =>
    [
        CallTarget.Of("model", a => CallModels.Mixers.call(a.Ids(11, 2, 5), Context(a, CallModels.Mixers, 2, 5))),
        CallTarget.Of("model-hidden", a => CallModels.Hybrid.Hidden(a.Ids(256, 2, 5), Context(a, CallModels.Hybrid, 2, 5))),
        CallTarget.Of("model-logits", a => CallModels.Hybrid.Logits(a.Floats(2, 5, 16))),
        CallTarget.Of("model-new-state", a => { CallModels.Mixers.NewState(Math.Min(a.Size(2), 1 << 10)).Dispose(); return null; }),
        CallTarget.Of("state-fork", a => { using var state = Begun(CallModels.Mixers); state.Fork(a.Ids(2, 3)).Dispose(); return null; }),
        CallTarget.Of("state-fork-cache", a => { using var state = Begun(CallModels.Hybrid); state.Fork(a.Ids(2, 3)).Dispose(); return null; }),
        CallTarget.Of("state-restore", a =>
        {
            using var state = Begun(CallModels.Mixers);
            var tensors = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
            var name = a.Random.Pick([.. tensors.Keys]);
            tensors[name] = tensors[name].is_floating_point() ? a.Floats(tensors[name].shape) : a.Saved(tensors[name]);
            using var other = CallModels.Mixers.NewState(2);
            other.Restore(tensors, a.Size(state.Position));
            return CallModels.Mixers.call(ToyModels.Tokens(2, 3), new SequenceContext(other));
        }),
        .. Enumerable.Range(0, 6).Select(layer => CallTarget.Of($"mixer-{layer}", a =>
        {
            var mixer = Mixer(layer);
            var state = a.Random.Chance(0.5) ? mixer.NewState(2) : null;
            return mixer.call(a.Floats(2, 5, 8), new SequenceContext(state, a.Maybe(() => a.Ids(3, 2, 5))));
        })),
        .. Enumerable.Range(0, 6).Select(layer => CallTarget.Of($"mixer-{layer}-fork", a => { using var state = Mixer(layer).NewState(2); state.Fork(a.Ids(2, 3)).Dispose(); return null; })),
        CallTarget.Of("linear", a => CallModels.Dense.call(a.Floats(2, 5, 8))),
        CallTarget.Of("embedding-table", a => CallModels.Table.call(a.Ids(11, 2, 5))),
        CallTarget.Of("causal-visible", a => new CausalMask().Visible(a.Ids(9, 2, 5), a.Ids(9, 2, 7))),
        CallTarget.Of("bidirectional-visible", a => new BidirectionalMask().Visible(a.Ids(9, 2, 5), a.Ids(9, 2, 7))),
        CallTarget.Of("dense-attention", a => DenseAttention.Attend(Input(a, null), new CausalMask())),
        CallTarget.Of("dense-attention-rotary", a => DenseAttention.Attend(Input(a, new RotaryEmbedding(4)), new CausalMask())),
        CallTarget.Of("dense-attention-alibi", a => DenseAttention.Attend(Input(a, new AlibiEncoding(2)), new CausalMask())),
        CallTarget.Of("share-heads", a => DenseAttention.ShareHeads(a.Floats(2, 1, 5, 4), a.Floats(2, 2, 5, 4))),
        CallTarget.Of("rotary", a => new RotaryEmbedding(a.Size(4), a.Number(10_000), a.Random.Chance(0.5)).EncodeQueries(a.Floats(2, 2, 5, 4), a.Ids(9, 2, 5))),
        CallTarget.Of("alibi", a => new AlibiEncoding(a.Count(2)).Bias(a.Ids(9, 2, 5, 5), a.Type(ScalarType.Float32))),
        CallTarget.Of("sequence-layout", a => SequenceLayout.Read(Math.Min(a.Size(2), 1 << 10), Math.Min(a.Size(5), 1 << 10), a.Maybe(() => a.Ids(3, 2, 5)))),
        CallTarget.Of("host-values", a => HostValues.Read(a.Ids(9, 5))),
        CallTarget.Of("top-k", a => TopK.Filter(a.Count(3))(a.Floats(2, 11), a.Ids(11, 2, 4), a.Size(2))),
        CallTarget.Of("top-p", a => TopP.Filter(a.Number(0.9))(a.Floats(2, 11), a.Ids(11, 2, 4), a.Size(2))),
        CallTarget.Of("min-p", a => MinP.Filter(a.Number(0.1))(a.Floats(2, 11), a.Ids(11, 2, 4), a.Size(2))),
        CallTarget.Of("temperature", a => Temperature.Filter(a.Number(0.8))(a.Floats(2, 11), a.Ids(11, 2, 4), a.Size(2))),
        CallTarget.Of("repetition-penalty", a => RepetitionPenalty.Filter(a.Number(1.2))(a.Floats(2, 11), a.Ids(11, 2, 4), a.Size(2))),
        CallTarget.Of("count-penalty", a => RepetitionPenalty.Filter(a.Number(0.5), a.Number(0.5))(a.Floats(2, 11), a.Ids(11, 2, 4), a.Size(2))),
        CallTarget.Of("sampler", a => new AutoregressiveSampler(CallModels.Mixers, new AutoregressiveSamplerOptions { Temperature = a.Number(0.8), TopK = a.Count(3), TopP = a.Number(0.9), MinP = a.Number(0), RepetitionPenalty = a.Number(1.1) }).Sample(a.Ids(11, 2, 4), a.Size(3), new Generator(1))),
        CallTarget.Of("next-token-loss", a => NextTokenLoss.Of(CallModels.Tuned, a.Ids(11, 2, 5), a.Maybe(() => a.Ids(2, 2, 5)), a.Maybe(() => a.Flags(2, 5)), a.Size(0)).Sum),
        CallTarget.Of("loss-per-token", a => NextTokenLoss.PerToken(CallModels.Tuned, a.Ids(11, 2, 5), Context(a, CallModels.Tuned, 2, 5))),
        CallTarget.Of("embed", a =>
        {
            using var generator = CallModels.Hybrid.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions
            {
                Pooling = (EmbeddingPooling)a.Count(1),
                Normalizes = a.Random.Chance(0.5),
                Truncates = a.Random.Chance(0.5),
                BatchSize = a.Count(2),
                MaxBatchTokens = a.Count(64),
                MaxTextTokens = a.Random.Chance(0.5) ? null : a.Count(50),
                MaxParallelBatches = a.Count(1),
            });
            string[] texts = [.. Enumerable.Range(1, 5).Select(index => new string('a', Math.Clamp(a.Count(7 * index), 0, 300)))];
            return generator.GenerateAsync(texts).GetAwaiter().GetResult();
        }),
        CallTarget.Of("weight-average", a => { using var average = new WeightAverage(CallModels.Dense, a.Number(0.9)); var saved = average.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone()); saved["weight"] = a.Floats(6, 8); average.Restore(saved, a.Size(1)); return null; }),
        CallTarget.Of("hook-point", a => CallModels.Dense.call(a.Floats(8))),
        CallTarget.Of("load-tensors", a => { var target = new DenseLinear(CallModels.Site(8, 6)); CheckpointLoader.Load(target, new Dictionary<string, Tensor> { ["weight"] = a.Floats(6, 8), ["bias"] = a.Floats(6) }, a.Random.Chance(0.5)); return null; }),
        CallTarget.Of("safetensors-save", a =>
        {
            var folder = Scratch.Make();
            try
            {
                SafetensorsWriter.Save(Path.Combine(folder, "a.safetensors"), new Dictionary<string, Tensor> { ["a"] = a.Floats(2, 3), ["b"] = a.Ids(9, 4) });
                return null;
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }),
    ];

    internal static AttentionInput Input(CallArguments a, PositionEncoding? encoding)
    {
        var hasSegments = a.Random.Chance(0.4);
        return new(
            a.Floats(2, 2, 5, 4), a.Floats(2, 2, 7, 4), a.Floats(2, 2, 7, 4), a.Ids(9, 2, 5), a.Ids(9, 2, 7),
            hasSegments ? a.Ids(2, 2, 5) : null, hasSegments ? a.Ids(2, 2, 7) : null, encoding);
    }

    private static SequenceContext? Context(CallArguments a, LanguageModel model, int rows, int length) => a.Random.Below(3) switch
    {
        0 => null,
        1 => new SequenceContext(model.NewState(rows), a.Maybe(() => a.Ids(2, rows, length))),
        _ => new SequenceContext(null, a.Ids(2, rows, length)),
    };

    private static MixerState Begun(LanguageModel model)
    {
        using var frozen = no_grad();
        var state = model.NewState(2);
        model.call(ToyModels.Tokens(2, 5), new SequenceContext(state)).Dispose();
        return state;
    }

    // A mixer of its own, so that a call that is refused half-way leaves the next ones alone.
    private static IMixer Mixer(int layer) => (IMixer)CallModels.Mixers.named_modules().Single(module => module.name == $"layers.{layer}.mixer").module;
}
