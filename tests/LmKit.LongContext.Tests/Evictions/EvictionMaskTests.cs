using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>What an eviction mask keeps, and what it does not change.</summary>
[NoTensorLeak]
public sealed class EvictionMaskTests
{
    private const int HeadDim = 6;

    public static TheoryData<EvictionPolicy, string, int> Cases
    {
        get
        {
            var cases = new TheoryData<EvictionPolicy, string, int>();
            foreach (var policy in Enum.GetValues<EvictionPolicy>())
            {
                foreach (var (positions, block) in new[] { ("rotary", 1), ("rotary", 4), ("alibi", 3), ("none", 7) })
                    cases.Add(policy, positions, block);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void It_is_what_loops_over_tokens_and_numbers_give(EvictionPolicy policy, string positions, int block)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var options = new EvictionMaskOptions { Policy = policy, Budget = 11, StartLength = 2, RecentLength = 3, BlockLength = block };
        var mask = new EvictionMask(options);
        var (encoding, slopes) = Encoding(positions);
        var (q, k, v) = (Inputs.Random(1, 2, 4, 50, HeadDim), Inputs.Random(2, 2, 2, 50, HeadDim), Inputs.Random(3, 2, 2, 50, HeadDim));
        var input = Inputs.Uniform(q, k, v, encoding);
        var (turnedQueries, turnedKeys) = (encoding?.EncodeQueries(q, input.QueryPositions) ?? q, encoding?.EncodeKeys(k, input.KeyPositions) ?? k);
        var whole = mask.Attend(input)!;
        using var state = new EvictionState(mask.ToString(), options, encoding, 2, 2, HeadDim);
        var streamed = cat([.. Cuts(50).Select(cut => state.Attend(Columns(q, cut), Columns(k, cut), Columns(v, cut), null, null))], 1).transpose(1, 2);
        for (var row = 0; row < 2; row++)
        {
            var (expected, held) = PlainEviction.Attend(options, Numbers(turnedQueries[row]), Numbers(turnedKeys[row]), Numbers(v[row]), slopes);
            var wanted = stack([.. expected.Select(head => stack([.. head.Select(numbers => tensor(numbers))]))]);
            Close.Check("whole", wanted, whole[row], absolute: 1e-12);
            Close.Check("streamed", wanted, streamed[row], absolute: 1e-12);
            for (var head = 0; head < 2; head++)
                Assert.Equal(held[head].Select(position => (long)position), HostValues.Read(state.Tensors["positions"][row, head]));
        }
    }

    [Theory]
    [InlineData("rotary")]
    [InlineData("alibi")]
    [InlineData("none")]
    public void Up_to_the_budget_it_is_plain_causal_attention_bit_for_bit(string positions)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var policy in Enum.GetValues<EvictionPolicy>())
        {
            using var bounded = Model(positions, mask => (mask.Policy, mask.Budget, mask.BlockLength) = (policy, 40, 4));
            using var causal = Model(positions, null);
            var tokens = Tokens(2, 40, 1);
            Close.Check($"{policy}, whole", causal.call(tokens, null), bounded.call(tokens, null));
            using var one = bounded.NewState(2);
            using var other = causal.NewState(2);
            foreach (var piece in tokens.split(9, 1))
                Close.Check($"{policy}, streamed", causal.call(piece, new SequenceContext(other)), bounded.call(piece, new SequenceContext(one)));
        }
    }

    [Fact]
    public void The_cache_stays_within_the_budget_and_a_block_with_starts_and_recent_keys_in_every_head()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var policy in Enum.GetValues<EvictionPolicy>())
        {
            using var model = Model("rotary", mask => (mask.Policy, mask.Budget, mask.StartLength, mask.RecentLength, mask.BlockLength) = (policy, 20, 3, 5, 4));
            using var state = (ModelState)model.NewState(2);
            for (var step = 1; step <= 200; step++)
            {
                model.call(Tokens(2, 1, (ulong)step), new SequenceContext(state)).Dispose();
                var held = HostValues.Read(state.Layers[1].Tensors["positions"].view(-1));
                var width = held.Length / 4;
                Assert.InRange(width, Math.Min(step, 20), Math.Min(step, 23));
                foreach (var head in held.Chunk(width))
                {
                    for (var start = 0; start < Math.Min(3, step); start++)
                        Assert.Contains(start, head);
                    for (var recent = Math.Max(0, step - 5); recent < step; recent++)
                        Assert.Contains(recent, head);
                }
            }
            Assert.True(policy == EvictionPolicy.Tova || HeadsDiffer(state), $"{policy}: all heads keep the same keys.");
        }

        static bool HeadsDiffer(ModelState state)
        {
            var positions = state.Layers[1].Tensors["positions"];
            return (positions.select(1, 0) - positions.select(1, 1)).abs().max().item<long>() > 0;
        }
    }

    [Fact]
    public void A_fork_and_a_restored_state_go_on_with_the_same_bits()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var policy in Enum.GetValues<EvictionPolicy>())
        {
            using var model = Model("rotary", mask => (mask.Policy, mask.Budget, mask.StartLength, mask.RecentLength, mask.BlockLength) = (policy, 12, 1, 2, 4));
            var (text, rest) = (Tokens(2, 61, 1), Tokens(2, 30, 2));
            using var state = model.NewState(2);
            model.call(text, new SequenceContext(state)).Dispose();
            using var fork = state.Fork(arange(2, dtype: ScalarType.Int64));
            using var restored = model.NewState(2);
            restored.Restore(state.Tensors, state.Position);
            var expected = Steps(model, state, rest);

            Close.Check($"{policy}, a fork", expected, Steps(model, fork, rest));
            Close.Check($"{policy}, restored", expected, Steps(model, restored, rest));
        }
    }

    [Fact]
    public void Saved_keys_that_cannot_be_or_are_of_another_mask_are_refused_and_the_state_stays()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model("rotary", mask => (mask.Budget, mask.StartLength, mask.RecentLength, mask.BlockLength) = (12, 1, 2, 4));
        using var other = Model("rotary", mask => (mask.Budget, mask.StartLength, mask.RecentLength, mask.BlockLength) = (13, 1, 2, 4));
        using var state = (ModelState)model.NewState(1);
        using var foreign = (ModelState)other.NewState(1);
        model.call(Tokens(1, 30, 1), new SequenceContext(state)).Dispose();
        var layer = state.Layers[0];
        var saved = layer.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        var backwards = saved["positions"].flip(-1);
        foreach (var (name, wrong, text) in new (string, Tensor?, string)[]
        {
            ("turned_keys", null, "lack 'turned_keys'"),
            ("mask", null, "lack 'mask'"),
            ("more", zeros(1), "'more'"),
            ("values", saved["values"] * double.NaN, "saved values"),
            ("values", saved["values"].narrow(2, 0, 4), "do not fit"),
            ("positions", backwards, "they ascend from 0 to below the 30"),
            ("positions", saved["positions"] + 30, "they ascend"),
            ("positions", cat([saved["positions"].narrow(1, 0, 1), cat([saved["positions"].narrow(1, 1, 1).narrow(2, 1, saved["positions"].size(2) - 1), full([1, 1, 1], -1L, ScalarType.Int64)], 2)], 1), "unused slots come last"),
            ("mask", tensor("LambdaMask"u8.ToArray()), "of the mask LambdaMask and this state of EvictionMask (KeyNorm, Budget = 12"),
        })
        {
            var tensors = new Dictionary<string, Tensor>(saved);
            if (wrong is null)
                tensors.Remove(name);
            else
                tensors[name] = wrong;
            Assert.Contains(text, Assert.ThrowsAny<ArgumentException>(() => layer.Restore(tensors, 30)).Message, StringComparison.Ordinal);
        }
        var message = Assert.ThrowsAny<ArgumentException>(() => foreign.Restore(state.Tensors, 30)).Message;
        Assert.Contains("Budget = 12", message, StringComparison.Ordinal);
        Assert.Contains("Budget = 13", message, StringComparison.Ordinal);
        layer.Restore(saved, 30);
        Assert.Contains("EvictionMask", Assert.ThrowsAny<NotSupportedException>(() => layer.Rollback(1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Impossible_options_are_refused_with_their_names()
    {
        foreach (var (option, change) in new (string, Action<EvictionMaskOptions>)[]
        {
            ("budget", mask => mask.Budget = 0),
            ("start_length", mask => mask.StartLength = -1),
            ("recent_length", mask => mask.RecentLength = -1),
            ("block_length", mask => mask.BlockLength = 0),
        })
        {
            var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddAttention().AddEvictionMask(change));
            Assert.Equal($"$.components[1].options.{option}", error.Path);
        }
        var room = Assert.Throws<ConfigurationException>(() => Model("none", mask => (mask.Budget, mask.StartLength, mask.RecentLength) = (10, 4, 7))).Message;
        Assert.StartsWith("EvictionMaskOptions.Budget = 10", room, StringComparison.Ordinal);
        Assert.Contains("has no room for StartLength = 4 and RecentLength = 7", room, StringComparison.Ordinal);
        Assert.Contains("BlockLength = 0", Assert.Throws<ArgumentException>(() => new EvictionMask(new EvictionMaskOptions { BlockLength = 0 })).Message, StringComparison.Ordinal);
        Assert.Contains("Policy = 9", Assert.Throws<ArgumentException>(() => new EvictionMask(new EvictionMaskOptions { Policy = (EvictionPolicy)9 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_it_cannot_serve_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var both = ToyModel.Builder().AddAttention().AddEvictionMask();
        both.Options.IsBidirectional = true;
        Assert.Contains("is_bidirectional", Assert.Throws<ConfigurationException>(both.Build).Message, StringComparison.Ordinal);
        Assert.Contains("DropoutRate = 0.5", Assert.ThrowsAny<Exception>(() => ToyModel.Builder().AddAttention(attention => attention.DropoutRate = 0.5).AddEvictionMask().Build()).Message, StringComparison.Ordinal);
        Assert.Contains("CacheFormat = EightBits", Assert.ThrowsAny<Exception>(() => ToyModel.Builder().AddAttention(attention => attention.CacheFormat = CacheFormat.EightBits).AddEvictionMask().Build()).Message, StringComparison.Ordinal);
        using var growing = ToyModel.Builder().AddAttention().AddRotary(rotary => rotary.Scaling = new DynamicRotaryScaling { Factor = 2, OriginalLength = 8 }).AddEvictionMask().Build();
        Assert.Contains("depend on the length", Assert.Throws<NotSupportedException>(() => growing.NewState(1)).Message, StringComparison.Ordinal);
        using var causal = Model("rotary", null);
        using var bounded = Model("rotary", _ => { });
        using var state = (ModelState)causal.NewState(1);
        using var mine = (ModelState)bounded.NewState(1);
        Assert.ThrowsAny<ArgumentException>(() => bounded.call(Tokens(1, 3, 1), new SequenceContext(state)));
        var mask = new EvictionMask(new EvictionMaskOptions());
        Assert.Contains("3 keys of another cache for 2 queries", Assert.Throws<NotSupportedException>(() => mask.Attend(Inputs.Uniform(Inputs.Random(1, 1, 2, 2, 4), Inputs.Random(2, 1, 2, 3, 4), Inputs.Random(3, 1, 2, 3, 4), null))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_says_everything_and_comes_back()
    {
        var json = ToyModel.Builder().AddAttention().AddEvictionMask(mask => (mask.Policy, mask.Budget) = (EvictionPolicy.KeyDiff, 100), layers: [1]).Config.ToJson();

        Assert.Contains("\"kind\": \"eviction\"", json, StringComparison.Ordinal);
        Assert.Contains("\"policy\": \"key_diff\"", json, StringComparison.Ordinal);
        Assert.Contains("\"budget\": 100", json, StringComparison.Ordinal);
        using var model = LanguageModel.Build(ModelConfig.FromJson(json), new ComponentRegistry().AddLongContext());
        using var state = (ModelState)model.NewState(1);
        Assert.IsType<KeyValueCache>(state.Layers[0]);
        Assert.IsNotType<KeyValueCache>(state.Layers[1]);
    }

    private static IEnumerable<(long Start, long Length)> Cuts(long count)
    {
        var random = new Random(3);
        for (var start = 0L; start < count;)
        {
            var length = Math.Min(random.NextInt64(1, 9), count - start);
            yield return (start, length);
            start += length;
        }
    }

    private static Tensor Columns(Tensor heads, (long Start, long Length) cut) => heads.narrow(2, cut.Start, cut.Length).transpose(1, 2);

    private static (PositionEncoding? Encoding, double[] Slopes) Encoding(string positions)
    {
        var alibi = new AlibiEncoding(4);
        return positions switch
        {
            "rotary" => (new RotaryEmbedding(HeadDim), new double[4]),
            "alibi" => (alibi, [.. alibi.Slopes]),
            _ => (null, new double[4]),
        };
    }

    private static double[][][] Numbers(Tensor heads) =>
        [.. Enumerable.Range(0, (int)heads.size(0)).Select(head => Enumerable.Range(0, (int)heads.size(1)).Select(token => heads[head, token].contiguous().data<double>().ToArray()).ToArray())];

    private static LanguageModel Model(string positions, Action<EvictionMaskOptions>? configure)
    {
        var builder = ToyModel.Builder(2).AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (4, 2));
        builder = positions switch { "rotary" => builder.AddRotary(), "alibi" => builder.AddAlibi(), _ => builder.AddNoPositions() };
        return (configure is null ? builder : builder.AddEvictionMask(configure)).Build();
    }

    private static Tensor Steps(LanguageModel model, MixerState state, Tensor tokens) =>
        cat([.. tokens.split(1, 1).Select(token => model.call(token, new SequenceContext(state)))], 1);

    private static Tensor Tokens(long rows, long count, ulong seed)
    {
        using var random = new Generator(seed);
        return randint(0, ToyModel.VocabSize, [rows, count], ScalarType.Int64, generator: random);
    }
}
