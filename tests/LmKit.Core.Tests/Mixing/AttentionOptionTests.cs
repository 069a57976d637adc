using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Every option of attention against its definition written out here, from a layer's parameters and its input.</summary>
[NoTensorLeak]
public sealed class AttentionOptionTests
{
    private const int Length = 13;

    public static TheoryData<string> Names => [.. Cases.Keys];

    private static Dictionary<string, Case> Cases => new()
    {
        ["defaults"] = new(new() { HeadCount = 2 }),
        ["norm per head"] = new(new() { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6, QueryKeyNorm = QueryKeyNorm.PerHead }),
        ["norm of all heads"] = new(new() { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6, QueryKeyNorm = QueryKeyNorm.Whole }) { Positions = "rotary" },
        ["layer norm"] = new(new() { HeadCount = 2, QueryKeyNorm = QueryKeyNorm.PerHead }) { HasLayerNorm = true, Positions = "rotary" },
        ["scale"] = new(new() { HeadCount = 2, Scale = 1.7 }) { Positions = "rotary" },
        ["scale by layer"] = new(new() { HeadCount = 2, DividesScaleByLayer = true }) { Layer = 2 },
        ["both scales"] = new(new() { HeadCount = 2, DividesScaleByLayer = true, Scale = 3 }) { Layer = 1, Positions = "alibi" },
        ["soft cap"] = new(new() { HeadCount = 2, SoftCap = 0.7 }),
        ["soft cap with rotary"] = new(new() { HeadCount = 4, KeyValueHeadCount = 2, SoftCap = 0.7, Scale = 2 }) { Positions = "rotary" },
        ["soft cap with alibi"] = new(new() { HeadCount = 4, KeyValueHeadCount = 1, SoftCap = 0.3 }) { Positions = "alibi" },
        ["soft cap through a window"] = new(new() { HeadCount = 2, SoftCap = 0.7 }) { Positions = "rotary", Window = 6 },
        ["clip"] = new(new() { HeadCount = 2, Clip = 0.6 }) { Positions = "rotary" },
        ["clip before norm"] = new(new() { HeadCount = 2, Clip = 0.6, QueryKeyNorm = QueryKeyNorm.Whole }),
        ["biases of the output alone"] = new(new() { HeadCount = 2, HasBias = false, HasOutputBias = true }),
        ["biases of all but the output"] = new(new() { HeadCount = 2, HasOutputBias = false }),
        ["all"] = new(new() { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6, QueryKeyNorm = QueryKeyNorm.PerHead, Scale = 0.8, DividesScaleByLayer = true, SoftCap = 1, Clip = 1.2, HasOutputBias = false })
        {
            Layer = 1,
            Positions = "rotary",
            Window = 5,
        },
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void A_layer_computes_what_its_options_say(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var options = Cases[name];
        using var attention = Make(options, ScalarType.Float64);
        var x = Input(2, ScalarType.Float64);

        Close.Check("whole", Defined(options, attention, x), attention.call(x, null), absolute: 1e-12);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void It_computes_the_same_step_by_step_in_both_precisions(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var options = Cases[name];
        foreach (var (dtype, tolerance) in new[] { (ScalarType.Float64, 1e-12), (ScalarType.Float32, 2e-5) })
        {
            using var attention = Make(options, dtype);
            var x = Input(2, dtype);
            using var state = attention.NewState(2);
            var steps = Enumerable.Range(0, Length).Select(t => attention.call(x.narrow(1, t, 1), new SequenceContext(state))).ToList();

            Close.Check($"{dtype}", Defined(options, attention, x), cat(steps, 1), absolute: tolerance, relativeToLargest: tolerance);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Capped_scores_stay_near_float64_in_half_precision(ScalarType dtype)
    {
        foreach (var name in new[] { "soft cap", "soft cap with rotary", "soft cap with alibi", "all" })
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            using var half = Make(Cases[name], dtype);
            using var exact = Make(Cases[name], ScalarType.Float64);
            foreach (var (own, theirs) in exact.parameters().Zip(half.parameters()))
                own.copy_(theirs);
            var x = Input(2, dtype);
            var expected = Defined(Cases[name], exact, x.to(ScalarType.Float64));
            using var state = half.NewState(2);
            var steps = Enumerable.Range(0, Length).Select(t => half.call(x.narrow(1, t, 1), new SequenceContext(state))).ToList();

            Assert.Equal(dtype, half.call(x, null).dtype);
            Close.Check($"{name} whole", expected, half.call(x, null), relativeToLargest: 3e-2);
            Close.Check($"{name} steps", expected, cat(steps, 1), relativeToLargest: 3e-2);
        }
    }

    [Fact]
    public void Every_parameter_learns_under_every_option()
    {
        using var scope = NewDisposeScope();
        using var attention = Make(Cases["all"], ScalarType.Float64);
        attention.call(Input(2, ScalarType.Float64), null).square().sum().backward();

        Assert.Contains("q_norm.weight", attention.named_parameters().Select(pair => pair.name));
        foreach (var (name, parameter) in attention.named_parameters())
            Assert.True(parameter.grad is { } gradient && gradient.isfinite().all().ToBoolean() && gradient.abs().sum().ToDouble() > 0, name);
    }

    [Fact]
    public void What_is_off_adds_no_parameter_and_changes_no_bit()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var plain = Make(Cases["defaults"], ScalarType.Float32);
        using var named = Make(new(new() { HeadCount = 2, Scale = 0.5, HasOutputBias = true }), ScalarType.Float32); // 1/sqrt(4)
        var x = Input(2, ScalarType.Float32);

        Assert.Equal(plain.named_parameters().Select(pair => pair.name), named.named_parameters().Select(pair => pair.name));
        Assert.Equal(8, plain.named_parameters().Count());
        Close.Check("the same scale said", plain.call(x, null), named.call(x, null));
    }

    [Fact]
    public void A_mask_that_does_not_know_soft_caps_is_not_asked_for_one()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var capped = new Case(new() { HeadCount = 2, SoftCap = 0.7 });
        using var attention = Make(capped, ScalarType.Float64, builder => builder.Add(OwnWayMask.Plain));
        using var uncapped = Make(Cases["defaults"], ScalarType.Float64, builder => builder.Add(OwnWayMask.Plain));
        var x = Input(2, ScalarType.Float64);
        using var state = attention.NewState(2);
        var before = OwnWayMask.Calls;

        Close.Check("whole", Defined(capped, attention, x), attention.call(x, null), absolute: 1e-12);
        Close.Check("with a state", Defined(capped, attention, x), attention.call(x, new SequenceContext(state)), absolute: 1e-12);
        Assert.Equal(before, OwnWayMask.Calls);
        _ = uncapped.call(x, null);
        Assert.Equal(before + 1, OwnWayMask.Calls);
    }

    [Fact]
    public void A_mask_that_can_only_attend_by_itself_refuses_caps_and_dropout_with_both_names()
    {
        var capped = Assert.Throws<ConfigurationException>(() => Alone(attention => attention.SoftCap = 30));
        var dropped = Assert.Throws<ConfigurationException>(() => Alone(attention => attention.DropoutRate = 0.25));

        Assert.Equal("$.components[0].options.attn_logit_softcapping", capped.Path);
        Assert.StartsWith("AttentionOptions.SoftCap = 30 ($.components[0].options.attn_logit_softcapping) cannot be obeyed under ", capped.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(OwnWayMask), capped.Message, StringComparison.Ordinal);
        Assert.StartsWith("AttentionOptions.DropoutRate = 0.25 ($.components[0].options.attention_dropout) acts on ", dropped.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(OwnWayMask), dropped.Message, StringComparison.Ordinal);
        Alone(_ => { });

        static void Alone(Action<AttentionOptions> configure) => ToyModel.Builder(1).AddAttention(configure).Add(OwnWayMask.Alone).Build().Dispose();
    }

    [Fact]
    public void Dense_attention_refuses_a_mask_that_does_not_say_all_that_it_does()
    {
        using var scope = NewDisposeScope();
        var x = zeros(1, 1, 2, 4);
        var positions = arange(2, dtype: ScalarType.Int64).unsqueeze(0);
        var input = new AttentionInput(x, x, x, positions, positions, null, null, null);

        Assert.Contains(nameof(OwnWayMask), Assert.Throws<NotSupportedException>(() => DenseAttention.Attend(input, new OwnWayMask(false))).Message, StringComparison.Ordinal);
        Assert.Contains("1e-9 to 1e9", Assert.Throws<ArgumentException>(() => DenseAttention.Attend(input with { SoftCap = -1 }, new CausalMask())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_without_the_newer_options_means_what_it_meant()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        const string json = """
            {"format": 1, "model": {"vocab_size": 11, "d_model": 8, "n_layer": 1}, "components": [{"slot": "mixer", "kind": "attention", "package": "LmKit.Core", "layers": null, "sites": null,
             "options": {"num_attention_heads": 2, "num_key_value_heads": 0, "head_dim": 0, "has_bias": false, "attention_dropout": 0, "position_encoding": "none", "rotary_dim": 0, "rope_theta": 10000, "rotary_interleaved": false}}]}
            """;
        using var model = LanguageModel.Build(ModelConfig.FromJson(json), new ComponentRegistry());

        var names = model.named_parameters().Select(pair => pair.name).Where(name => name.Contains("mixer", StringComparison.Ordinal));
        Assert.Equal(["layers.0.mixer.q_proj.weight", "layers.0.mixer.k_proj.weight", "layers.0.mixer.v_proj.weight", "layers.0.mixer.out_proj.weight"], names);
        Assert.Equal(model.Config, ModelConfig.FromJson(model.Config.ToJson()));
    }

    [Theory]
    [InlineData("scale", 0)]
    [InlineData("attn_logit_softcapping", -1)]
    [InlineData("clip_qkv", 0)]
    public void An_impossible_number_is_refused_with_its_path(string option, double value)
    {
        var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddAttention(attention =>
        {
            if (option == "scale")
                attention.Scale = value;
            else if (option == "clip_qkv")
                attention.Clip = value;
            else
                attention.SoftCap = value;
        }));

        Assert.Equal($"$.components[0].options.{option}", error.Path);
    }

    private static Attention Make(Case options, ScalarType dtype, Func<LanguageModelBuilder, LanguageModelBuilder>? compose = null)
    {
        LibTorch.EnsureLoaded();
        var builder = ToyModel.Builder(3, dtype).AddPositions(options.Positions);
        builder = options.HasLayerNorm ? builder.AddLayerNorm(norm => norm.Epsilon = 1e-3) : builder.AddRmsNorm(norm => norm.Epsilon = 1e-3);
        builder = options.Window > 0 ? builder.Add(WindowMaskOptions.Kind, mask => mask.Length = options.Window) : builder;
        var attention = new Attention(options.Options, (compose?.Invoke(builder) ?? builder).CreateLayerContext(options.Layer, new Generator(5)));
        attention.eval();
        using var frozen = no_grad();
        using var random = new Generator(2);
        foreach (var parameter in attention.parameters())
        {
            using var noise = randn(parameter.shape, ScalarType.Float64, generator: random);
            parameter.add_(noise.mul_(0.3));
        }
        return attention;
    }

    private static Tensor Input(long batch, ScalarType dtype)
    {
        using var random = new Generator(7);
        return randn([batch, Length, ToyModel.ModelDim], ScalarType.Float64, generator: random).to(dtype);
    }

    // The definition, head by head.
    private static Tensor Defined(Case options, Attention attention, Tensor x)
    {
        var weights = attention.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        var own = options.Options;
        var (heads, keyHeads) = (own.HeadCount, own.KeyValueHeadCount > 0 ? own.KeyValueHeadCount : own.HeadCount);
        var width = own.HeadDim > 0 ? own.HeadDim : ToyModel.ModelDim / heads;
        Assert.Equal(own.HasBias, weights.ContainsKey("q_proj.bias") && weights.ContainsKey("v_proj.bias"));
        Assert.Equal(own.HasOutputBias ?? own.HasBias, weights.ContainsKey("out_proj.bias"));
        var (q, k, v) = (Projected("q_proj"), Projected("k_proj"), Projected("v_proj"));
        if (own.Clip is { } clip)
            (q, k, v) = (q.minimum(clip).maximum(-clip), k.minimum(clip).maximum(-clip), v.minimum(clip).maximum(-clip));
        if (own.QueryKeyNorm == QueryKeyNorm.Whole)
            (q, k) = (Normed(q, "q_norm"), Normed(k, "k_norm"));
        var scale = (own.Scale ?? 1 / Math.Sqrt(width)) / (own.DividesScaleByLayer ? options.Layer + 1 : 1);
        var (i, j) = (arange(Length).unsqueeze(-1), arange(Length));
        var isSeen = i.ge(j).logical_and(options.Window > 0 ? (i - j).lt(options.Window) : i.ge(j));
        var attended = new List<Tensor>();
        for (var head = 0; head < heads; head++)
        {
            var (ownQ, ownK, ownV) = (Head(q, head), Head(k, head / (heads / keyHeads)), Head(v, head / (heads / keyHeads)));
            if (own.QueryKeyNorm == QueryKeyNorm.PerHead)
                (ownQ, ownK) = (Normed(ownQ, "q_norm"), Normed(ownK, "k_norm"));
            if (options.Positions == "rotary")
                (ownQ, ownK) = (Turned(ownQ), Turned(ownK));
            var scores = ownQ.matmul(ownK.transpose(1, 2)) * scale;
            if (own.SoftCap is { } cap)
                scores = cap * (1 - 2 / ((2 * scores / cap).exp() + 1));
            if (options.Positions == "alibi")
                scores -= (i - j) * Math.Pow(2, -8.0 * (head + 1) / heads);
            var e = scores.exp() * isSeen;
            attended.Add((e / e.sum(-1, keepdim: true)).matmul(ownV));
        }
        var output = cat(attended, -1).matmul(weights["out_proj.weight"].t());
        return weights.TryGetValue("out_proj.bias", out var shift) ? output + shift : output;

        Tensor Projected(string name) => x.matmul(weights[$"{name}.weight"].t()) + (weights.TryGetValue($"{name}.bias", out var bias) ? bias : 0);

        Tensor Head(Tensor joined, long head) => joined.narrow(-1, head * width, width);

        Tensor Normed(Tensor y, string name)
        {
            var centred = options.HasLayerNorm ? y - y.mean([-1], keepdim: true) : y;
            var normed = centred / (centred.square().mean([-1], keepdim: true) + 1e-3).sqrt() * weights[$"{name}.weight"];
            return options.HasLayerNorm ? normed + weights[$"{name}.bias"] : normed;
        }

        Tensor Turned(Tensor y)
        {
            var (a, b) = (y.narrow(-1, 0, width / 2), y.narrow(-1, width / 2, width / 2));
            var angles = i * tensor(Enumerable.Range(0, (int)width / 2).Select(pair => Math.Pow(10_000, -2.0 * pair / width)).ToArray());
            var (cos, sin) = (angles.cos().to(y.dtype), angles.sin().to(y.dtype));
            return cat([a * cos - b * sin, a * sin + b * cos], -1);
        }
    }

    private sealed record Case(AttentionOptions Options)
    {
        internal string Positions { get; init; } = "none";

        internal int Layer { get; init; }

        internal long Window { get; init; }

        internal bool HasLayerNorm { get; init; }
    }
}
