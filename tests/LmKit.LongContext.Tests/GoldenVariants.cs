using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>The golden checks of single switched parts and of a whole model; what LongContext lacks stands in <see cref="GoldenTests"/>.</summary>
internal static class GoldenVariants
{
    // From the vectors' index: A where the mask is ours alone, B where the official path takes its softmax in float32.
    private const double Exact = 1e-10;
    private const double OfficialSingle = 5e-6;
    private const double ModelExact = 1e-9;

    internal static void Ablations(GoldenCase golden)
    {
        var (x, window, starts) = (golden.Tensor("x"), GoldenTests.Number(golden, "L_local"), GoldenTests.Number(golden, "n_global"));
        Action<LanguageModelBuilder> Lambda(long globals, long ceiling) => builder =>
            builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (window, globals, ceiling));
        Action<LanguageModelBuilder> Ceiling(double offset) => builder =>
            builder.AddCeilingMask(mask => (mask.DistanceCeiling, mask.GlobalLength, mask.TriangleOffset) = (window, starts, offset));
        var triangle = golden.Names("out_ceiling_triangle_").Single();
        foreach (var (name, mask, tolerance) in new (string, Action<LanguageModelBuilder>?, double)[]
        {
            ("out_vanilla", null, OfficialSingle),
            ("out_ceiling_only", Ceiling(0), OfficialSingle),
            (triangle, Ceiling(double.Parse(triangle.Split('_')[^1], CultureInfo.InvariantCulture)), OfficialSingle),
            ("out_mask_only", builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.ShowsTrueDistances) = (window, starts, true)), Exact),
            ("out_window_only_G0", Lambda(0, window), Exact),
            ("out_lambda_limit_2L", Lambda(starts, 2 * window), Exact),
            ("out_lambda_limit_half_L", Lambda(starts, window / 2), Exact),
        })
        {
            using var frozen = no_grad();
            using var attention = GoldenTests.Build(golden, ScalarType.Float64, mask ?? (_ => { }));
            golden.Check(name, attention.call(x), absolute: tolerance);
            using var state = attention.NewState(x.size(0));
            golden.Check(name, cat([.. x.split(3, 1).Select(piece => attention.call(piece, new SequenceContext(state)))], 1), absolute: tolerance);
        }
    }

    /// <summary>StreamingLLM in both flows, token by token and whole, and the cache of the one that evicts after a step.</summary>
    internal static void Streaming(GoldenCase golden)
    {
        var x = golden.Tensor("x");
        var (starts, recent) = (GoldenTests.Number(golden, "start"), GoldenTests.Number(golden, "recent"));
        foreach (var before in new[] { false, true })
        {
            using var frozen = no_grad();
            using var attention = GoldenTests.Build(
                golden,
                ScalarType.Float64,
                builder => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength, mask.EvictsBeforeStep) = (starts, recent, before)));
            var name = before ? "out_evict_before" : "out_evict_after";
            golden.Check(name, attention.call(x), absolute: OfficialSingle);
            foreach (var chunk in new[] { 1, 3, 7 })
            {
                using var state = attention.NewState(x.size(0));
                golden.Check(name, cat([.. x.split(chunk, 1).Select(piece => attention.call(piece, new SequenceContext(state)))], 1), absolute: OfficialSingle);
                if (chunk == 1 && !before)
                    Cache(golden, state, starts, recent, x.size(1));
            }
        }
    }

    // Theirs is S starting keys and R recent ones before positions; ours may hold a few more, turned at their own.
    private static void Cache(GoldenCase golden, MixerState state, int starts, int recent, long length)
    {
        var held = state.Tensors["positions"][0].data<long>().ToArray();
        var theirs = golden.Tensor("cache_k_after");
        var rotary = new RotaryEmbedding(theirs.size(3), golden.Options.Number("base"));
        long[] positions = [.. Enumerable.Range(0, starts).Select(index => (long)index), .. Enumerable.Range(0, recent).Select(index => length - recent + index)];
        var slots = tensor(positions.Select(position => (long)Array.IndexOf(held, position)).ToArray());
        golden.Check("cache_k_after", rotary.DecodeKeys(state.Tensors["turned_keys"].index_select(2, slots), tensor(positions, [1, positions.Length])), absolute: OfficialSingle);
        golden.Check("cache_v_after", state.Tensors["values"].index_select(2, slots), absolute: OfficialSingle);
    }

    /// <summary>Attention to the middle: none, in the last row of one call, and token by token.</summary>
    internal static void Middle(GoldenCase golden)
    {
        using var frozen = no_grad();
        var x = golden.Tensor("x");
        using (var attention = GoldenTests.Build(golden, ScalarType.Float64))
            golden.Check("out_no_topk", attention.call(x), absolute: OfficialSingle);
        foreach (var rows in Enum.GetValues<MiddleRows>())
        {
            using var attention = GoldenTests.Build(golden, ScalarType.Float64, builder => builder.AddLambdaMask(mask =>
            {
                (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (GoldenTests.Number(golden, "L_local"), GoldenTests.Number(golden, "n_global"), GoldenTests.Number(golden, "limit"));
                mask.Middle = new TopKMiddleOptions { TopK = GoldenTests.Number(golden, "k"), InsertDistance = GoldenTests.Number(golden, "insert_distance"), FromLayer = 0, Rows = rows };
            }));
            golden.Check(rows == MiddleRows.Last ? "out_prefill_last_row_only" : "out_decode_every_row", attention.call(x), absolute: OfficialSingle);
            using var state = attention.NewState(x.size(0));
            golden.Check("out_decode_every_row", cat([.. x.split(1, 1).Select(token => attention.call(token, new SequenceContext(state)))], 1), absolute: OfficialSingle);
        }
        Attended(golden, x);
    }

    // Weights are outputs where values are ones of a key each; as many keys at a time as a head is wide.
    private static void Attended(GoldenCase golden, Tensor x)
    {
        var lambda = new LambdaMask(new LambdaMaskOptions { LocalLength = GoldenTests.Number(golden, "L_local"), GlobalLength = GoldenTests.Number(golden, "n_global"), DistanceCeiling = GoldenTests.Number(golden, "limit") });
        var mask = new RetrievingMask(lambda, new TopKMiddleOptions { TopK = GoldenTests.Number(golden, "k"), InsertDistance = GoldenTests.Number(golden, "insert_distance"), Rows = MiddleRows.All });
        var (q, k) = (Heads("q_proj.weight"), Heads("k_proj.weight"));
        var (length, width) = (x.size(1), q.size(3));
        var encoding = new RotaryEmbedding(width, golden.Options.Number("base"));
        var weights = new List<Tensor>();
        for (var first = 0L; first < length; first += width)
        {
            var ones = eye(length, dtype: ScalarType.Float64).narrow(1, first, Math.Min(width, length - first));
            var values = nn.functional.pad(ones, [0, width - ones.size(1)]).view(1, 1, length, width).expand(k.shape);
            weights.Add(mask.Attend(Inputs.Uniform(q, k, values, encoding))!.narrow(3, 0, ones.size(1)));
        }
        Close.Check("attended_decode", golden.Tensor("attended_decode").to(ScalarType.Int64), cat(weights, -1).gt(0).to(ScalarType.Int64));

        Tensor Heads(string name) => x.matmul(golden.Tensor(name).t()).unflatten(2, GoldenTests.Number(golden, "H"), -1).transpose(1, 2);
    }

    internal static void Llama(GoldenCase golden)
    {
        using var frozen = no_grad();
        WithMiddle(golden);
        using var model = Build(golden);
        CheckpointLoader.Load(model, golden.Names().Where(name => name.EndsWith(".weight", StringComparison.Ordinal)).ToDictionary(Ours, golden.Tensor));
        var ids = golden.Tensor("input_ids");
        var (logits, length) = (model.call(ids, null), ids.size(1));
        golden.Check("logits", logits, absolute: ModelExact);
        var following = ids.narrow(1, 1, length - 1).unsqueeze(-1);
        var losses = logits.narrow(1, 0, length - 1).log_softmax(-1).gather(-1, following).neg();
        golden.Check("token_nll", losses.reshape(golden.Tensor("token_nll").shape), absolute: ModelExact);
        using var state = model.NewState(ids.size(0));
        golden.Check("logits", cat([.. ids.split(7, 1).Select(piece => model.call(piece, new SequenceContext(state)))], 1), absolute: ModelExact);
    }

    // One call on the prompt, then token by token.
    private static void WithMiddle(GoldenCase golden)
    {
        var name = golden.Names("logits_topk_").Single();
        using var model = Build(golden, new TopKMiddleOptions
        {
            TopK = GoldenTests.Number(golden, "k"),
            InsertDistance = GoldenTests.Number(golden, "insert_distance"),
            FromLayer = GoldenTests.Number(golden, "topk_from_layer"),
        });
        CheckpointLoader.Load(model, golden.Names().Where(tensor => tensor.EndsWith(".weight", StringComparison.Ordinal)).ToDictionary(Ours, golden.Tensor));
        var (ids, prompt) = (golden.Tensor("input_ids"), GoldenTests.Number(golden, "topk_prompt_len"));
        var length = golden.Tensor(name).size(1);
        using var state = model.NewState(ids.size(0));
        var calls = ids.narrow(1, prompt, length - prompt).split(1, 1).Prepend(ids.narrow(1, 0, prompt));
        golden.Check(name, cat([.. calls.Select(piece => model.call(piece, new SequenceContext(state)))], 1), absolute: 2e-5);
    }

    private static LanguageModel Build(GoldenCase golden, TopKMiddleOptions? middle = null)
    {
        int Whole(string key) => GoldenTests.Number(golden, key);
        var builder = new LanguageModelBuilder { VocabSize = Whole("V"), ModelDim = Whole("E"), LayerCount = Whole("layers"), Dtype = ScalarType.Float64 };
        builder.Options.IsHeadTied = false;
        builder.AddAttention(attention =>
        {
            attention.HeadCount = Whole("H");
            attention.KeyValueHeadCount = (int)golden.Options.Whole("KV", 0);
            attention.HasBias = false;
        });
        builder.AddRotary(rotary => rotary.Base = golden.Options.Number("base"));
        builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling, mask.Middle) = (Whole("L_local"), Whole("n_global"), Whole("limit"), middle));
        builder.AddGatedMlp(mlp => mlp.MlpDim = Whole("F")).AddRmsNorm(norm => norm.Epsilon = golden.Options.Number("rms_eps"));
        return builder.Build();
    }

    // From the names of LLaMA's files to ours.
    private static string Ours(string published) => published
        .Replace("model.embed_tokens.", "embeddings.word_embeddings.", StringComparison.Ordinal)
        .Replace("model.norm.", "ln_f.", StringComparison.Ordinal)
        .Replace("model.layers.", "layers.", StringComparison.Ordinal)
        .Replace("self_attn.o_proj", "mixer.out_proj", StringComparison.Ordinal)
        .Replace("self_attn.", "mixer.", StringComparison.Ordinal)
        .Replace("post_attention_layernorm", "norm2", StringComparison.Ordinal)
        .Replace("input_layernorm", "norm1", StringComparison.Ordinal);
}
