using LmKit.Conformance;
using TorchSharp;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The laws of attention hold over a cache in int8 as well as its numbers do.</summary>
public sealed class AttentionOverAnInt8CacheTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6, CacheFormat = CacheFormat.EightBits };

    protected override double Tolerance => 0.03;

    protected override double SingleTolerance => 0.03;

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary();
}

/// <summary>The same through a mask that forgets.</summary>
public sealed class AttentionOverAnInt8CacheOfAWindowTests : AttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Bounded;

    protected override AttentionOptions Options => new() { HeadCount = 2, CacheFormat = CacheFormat.EightBits };

    protected override double Tolerance => 0.03;

    protected override double SingleTolerance => 0.03;

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddAlibi().AddSlidingWindowMask(window => window.Window = 6);
}

/// <summary>What a cache in int8 holds, what it costs and how far its outputs are off.</summary>
[NoTensorLeak]
public sealed class Int8CacheTests(ITestOutputHelper output)
{
    private const long Width = 64;

    [Theory]
    [InlineData("rotary")]
    [InlineData("alibi")]
    [InlineData("none")]
    public void It_attends_over_the_rounded_keys_and_values_and_nothing_else(string positions)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var encoding = Encoding(positions);
        var (q, k, v) = (Random(1, 2, 40, 4, 8), Random(2, 2, 40, 2, 8), Random(3, 2, 40, 2, 8));
        using var cache = new KeyValueCache(new CausalMask(), encoding, 2, 2, 8, CacheFormat.EightBits);
        var outputs = new List<Tensor>();
        foreach (var (start, length) in new[] { (0L, 17L), (17, 1), (18, 3), (21, 19) })
            outputs.Add(DenseAttention.Attend(cache.Extend(q.narrow(1, start, length), k.narrow(1, start, length), v.narrow(1, start, length), null), new CausalMask()).transpose(1, 2));

        var at = arange(40, dtype: ScalarType.Int64).expand(2, 40);
        var (keys, values) = (Rounded(encoding is RotaryEmbedding rotary ? rotary.EncodeKeys(k.transpose(1, 2), at) : k.transpose(1, 2)), Rounded(v.transpose(1, 2)));
        var input = new AttentionInput(q.transpose(1, 2), keys, values, at, at, null, null, encoding) { HasEncodedKeys = encoding is RotaryEmbedding };
        Close.Check("outputs", DenseAttention.Attend(input, new CausalMask()).transpose(1, 2), cat(outputs, 1), absolute: 1e-12);
    }

    [Theory]
    [InlineData("rotary", 8)]
    [InlineData("rotary", 22)]
    [InlineData("alibi", 70)]
    [InlineData("none", 64)]
    public void The_kernel_of_a_step_computes_what_the_longer_form_does(string positions, int headDim)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var mask in new IAttentionMask[] { new CausalMask(), new SlidingWindowMask(new SlidingWindowOptions { Window = 30 }) })
        {
            foreach (var isRagged in new[] { false, true })
            {
                var (q, k, v) = (Single(1, 2, 213, 4, headDim), Single(2, 2, 213, 2, headDim), Single(3, 2, 213, 2, headDim));
                var segments = isRagged ? tensor(Enumerable.Range(0, 426).Select(index => index is < 5 or 150 ? -1L : index % 213 / 120).ToArray(), [2, 213]) : null;
                using var fast = new KeyValueCache(mask, Encoding(positions, headDim), 2, 2, headDim, CacheFormat.EightBits);
                using var slow = new KeyValueCache(mask, Encoding(positions, headDim), 2, 2, headDim, CacheFormat.EightBits);
                foreach (var cache in new[] { fast, slow })
                    _ = cache.Extend(q.narrow(1, 0, 210), k.narrow(1, 0, 210), v.narrow(1, 0, 210), segments?.narrow(1, 0, 210));
                var rest = segments?.narrow(1, 210, 3);
                var step = fast.Step(q.narrow(1, 210, 3), k.narrow(1, 210, 3), v.narrow(1, 210, 3), rest);
                var expected = DenseAttention.Attend(slow.Extend(q.narrow(1, 210, 3), k.narrow(1, 210, 3), v.narrow(1, 210, 3), rest), mask).transpose(1, 2);

                Assert.NotNull(step);
                Close.Check($"{mask}, {(isRagged ? "ragged" : "alike")}", expected, step, relativeToLargest: 2e-5);
                foreach (var (name, held) in slow.Tensors)
                    Close.Check(name, held, fast.Tensors[name]);
            }
        }
    }

    [Fact]
    public void Its_size_is_about_a_quarter()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var sizes = new List<long>();
        foreach (var format in new[] { CacheFormat.Full, CacheFormat.EightBits })
        {
            using var attention = Make(format);
            using var state = attention.NewState(1);
            _ = attention.call(Single(1, 1, 500, Width), new SequenceContext(state));
            sizes.Add(state.Tensors.Where(pair => pair.Key is not ("positions" or "documents")).Sum(pair => pair.Value.numel() * pair.Value.ElementSize));
        }

        Assert.InRange((double)sizes[1] / sizes[0], 0.25, 0.29); // a width of 32: 36 bytes where there were 128
    }

    [Theory]
    [InlineData(0, 0.01)]
    [InlineData(1, 0.05)]
    public void Its_outputs_are_off_by_a_small_part_of_their_size(int kind, double bound)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (q, k, v) = (Single(1, 2, 600, 4, 64), Single(2, 2, 600, 2, 64), Single(3, 2, 600, 2, 64));
        if (kind == 1)
        {
            // As trained models' keys are: some entries are large whatever the token, and scores are peaked.
            var scale = ones(64);
            scale[5] = scale[37] = 8;
            var offset = zeros(64);
            offset[5] = 12;
            (q, k) = (q * 1.5 / scale, k * scale + offset);
        }
        var outputs = new List<Tensor>();
        foreach (var format in new[] { CacheFormat.Full, CacheFormat.EightBits })
        {
            using var cache = new KeyValueCache(new CausalMask(), new RotaryEmbedding(64), 2, 2, 64, format);
            outputs.Add(DenseAttention.Attend(cache.Extend(q, k, v, null), new CausalMask()));
        }
        var error = ((outputs[1] - outputs[0]).square().mean() / outputs[0].square().mean()).sqrt().item<float>();
        output.WriteLine($"relative root mean square error {error:g3}");
        Assert.InRange(error, 1e-3, bound);
    }

    [Fact]
    public void Saved_forked_and_taken_back_it_goes_on_with_the_same_bits()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var attention = Make(CacheFormat.EightBits);
        var (x, draft, rest) = (Single(1, 2, 70, Width), Single(2, 2, 5, Width), Single(3, 2, 9, Width));
        using var state = attention.NewState(2);
        using var fresh = attention.NewState(2);
        foreach (var one in new[] { fresh, state })
            _ = attention.call(x, new SequenceContext(one));
        using var fork = state.Fork(arange(2, dtype: ScalarType.Int64));
        _ = attention.call(draft, new SequenceContext(state));
        state.Rollback(5);
        using var restored = attention.NewState(2);
        restored.Restore(state.Tensors, state.Position);
        var expected = Steps(fresh);

        foreach (var (name, one) in new[] { ("taken back", state), ("a fork", fork), ("restored", restored) })
            Close.Check(name, expected, Steps(one));

        Tensor Steps(MixerState one) => cat([.. rest.split(1, 1).Select(token => attention.call(token, new SequenceContext(one)))], 1);
    }

    [Fact]
    public void A_cache_of_the_other_format_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var full = Make(CacheFormat.Full);
        using var coarse = Make(CacheFormat.EightBits);
        using var fullState = full.NewState(1);
        using var coarseState = coarse.NewState(1);
        _ = full.call(Single(1, 1, 5, Width), new SequenceContext(fullState));
        _ = coarse.call(Single(1, 1, 5, Width), new SequenceContext(coarseState));

        Assert.Contains("lacks 'key_scales'", Assert.ThrowsAny<ArgumentException>(() => coarseState.Restore(fullState.Tensors, 5)).Message, StringComparison.Ordinal);
        Assert.Contains("holds 'key_scales'", Assert.ThrowsAny<ArgumentException>(() => fullState.Restore(coarseState.Tensors, 5)).Message, StringComparison.Ordinal);
        var saved = coarseState.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        saved["values"] = saved["values"].to(ScalarType.Float32);
        Assert.Contains("AttentionOptions.CacheFormat = EightBits", Assert.ThrowsAny<ArgumentException>(() => coarseState.Restore(saved, 5)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_stands_in_the_configuration()
    {
        var config = ToyModel.Builder().AddAttention(attention => attention.CacheFormat = CacheFormat.EightBits).Config;

        Assert.Contains("\"cache_format\": \"eight_bits\"", config.ToJson(), StringComparison.Ordinal);
        using var model = LanguageModelBuilder.From(ModelConfig.FromJson(config.ToJson())).Build();
        using var state = (ModelState)model.NewState(1);
        Assert.Contains("key_scales", state.Layers[0].Tensors.Keys);
    }

    // Symmetric rounding, entry by entry.
    private static Tensor Rounded(Tensor x)
    {
        var width = (int)x.size(-1);
        var numbers = x.contiguous().data<double>().ToArray();
        for (var first = 0; first < numbers.Length; first += width)
        {
            var head = numbers.AsSpan(first, width);
            var scale = Enumerable.Range(0, width).Max(index => Math.Abs(numbers[first + index])) / 127;
            foreach (ref var number in head)
                number = scale == 0 ? 0 : Math.Round(number / scale) * scale;
        }
        return tensor(numbers, x.shape);
    }

    private static Attention Make(CacheFormat format) =>
        ToyModel.Component(ToyModel.Builder(dtype: ScalarType.Float32, modelDim: Width).AddRotary(), layer => new Attention(new AttentionOptions { HeadCount = 2, CacheFormat = format }, layer));

    private static PositionEncoding? Encoding(string positions, int headDim = 8) => positions switch
    {
        "rotary" => new RotaryEmbedding(headDim),
        "alibi" => new AlibiEncoding(4),
        _ => null,
    };

    private static Tensor Single(ulong seed, params long[] shape) => Random(seed, shape).to(ScalarType.Float32);

    private static Tensor Random(ulong seed, params long[] shape)
    {
        using var random = new Generator(seed);
        return randn(shape, ScalarType.Float64, generator: random);
    }
}
