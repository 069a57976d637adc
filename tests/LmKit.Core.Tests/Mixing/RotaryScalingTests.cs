using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The frequencies and factors of the scalings, against numbers worked out by hand for R = 8, base = 10,000, and what they refuse.</summary>
[NoTensorLeak]
public sealed class RotaryScalingTests
{
    private const double Base = 10_000;

    private static readonly LongRotaryScaling longRope = new() { OriginalLength = 4096, Factor = 8, ShortFactor = [1, 1.5, 2, 4], LongFactor = [1, 3, 9, 27] };

    public static TheoryData<string, RotaryScaling, long, double[], double> Values => new()
    {
        { "linear", new LinearRotaryScaling { Factor = 2.5 }, 1, [0.4, 0.04, 0.004, 0.0004], 1 },
        { "ntk", new NtkRotaryScaling { Factor = 4 }, 1, [1, 0.06299605249474366, 0.003968502629920499, 0.00025], 1 }, // 4^(-t/3)
        { "dynamic, trained", new DynamicRotaryScaling { Factor = 2, OriginalLength = 16 }, 16, [1, 0.1, 0.01, 0.001], 1 },
        { "dynamic, one more", new DynamicRotaryScaling { Factor = 2, OriginalLength = 16 }, 17, [1, 0.09614997135382723, 0.009244816991341796, 0.0008888888888888889], 1 },
        { "dynamic, long", new DynamicRotaryScaling { Factor = 2, OriginalLength = 16 }, 40, [1, 0.06299605249474366, 0.003968502629920499, 0.00025], 1 },
        { "yarn", new YarnRotaryScaling { Factor = 4, OriginalLength = 4096 }, 1, [1, 0.1, 0.00625, 0.00025], 1.138629436111989 }, // ramp from 1 to 3
        { "yarn, ends not whole", new YarnRotaryScaling { Factor = 4, OriginalLength = 4096, Truncates = false }, 1, [1, 0.1, 0.006556971521129435, 0.00025], 1.138629436111989 },
        { "yarn, factor given", new YarnRotaryScaling { Factor = 4, OriginalLength = 4096, BetaFast = 8, BetaSlow = 2, AttentionFactor = 1.25 }, 1, [1, 0.1, 0.00625, 0.00025], 1.25 },
        { "yarn, shares", new YarnRotaryScaling { Factor = 40, OriginalLength = 4096, Mscale = 0.707, MscaleAllDim = 1 }, 1, [1, 0.1, 0.005125, 0.000025], 0.9210423553163399 },
        { "yarn of 1", new YarnRotaryScaling { Factor = 1, OriginalLength = 512 }, 1, [1, 0.1, 0.01, 0.001], 1 },
        { "llama3", new Llama3RotaryScaling { Factor = 8, OriginalLength = 8192 }, 1, [1, 0.1, 0.01, 0.00021360754402756862], 1 },
        { "llama3, short", new Llama3RotaryScaling { Factor = 8, OriginalLength = 64 }, 1, [1, 0.013042256043820463, 0.00125, 0.000125], 1 },
        { "longrope, trained", longRope, 4096, [1, 0.1 / 1.5, 0.005, 0.00025], 1.118033988749895 }, // sqrt(1 + 3/12)
        { "longrope, one more", longRope, 4097, [1, 0.1 / 3, 0.01 / 9, 0.001 / 27], 1.118033988749895 },
        { "longrope, factor given", new LongRotaryScaling { OriginalLength = 4, AttentionFactor = 0.5, ShortFactor = [1, 1, 1, 1], LongFactor = [2, 2, 2, 2] }, 5, [0.5, 0.05, 0.005, 0.0005], 0.5 },
        { "longrope of 1", new LongRotaryScaling { OriginalLength = 4, Factor = 1, ShortFactor = [1, 1, 1, 1], LongFactor = [2, 2, 2, 2] }, 4, [1, 0.1, 0.01, 0.001], 1 },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public void Frequencies_and_factor_are_those_of_the_formula(string name, RotaryScaling scaling, long length, double[] frequencies, double factor)
    {
        var turns = scaling.Frequencies(8, Base, length);

        Assert.Equal(frequencies.Length, turns.ToArray().Length);
        Assert.All(frequencies.Zip(turns.ToArray()), pair => Assert.Equal(pair.First, pair.Second, 1e-14 * pair.First));
        Assert.Equal(factor, turns.Amplitude, 1e-14);
        Assert.Equal(name.StartsWith("dynamic", StringComparison.Ordinal) || name.StartsWith("longrope", StringComparison.Ordinal), scaling.Border is not null);
    }

    [Fact]
    public void Per_token_each_position_has_the_frequencies_of_the_text_that_ends_with_it()
    {
        using var scope = NewDisposeScope();
        var whole = new DynamicRotaryScaling { Factor = 2.5, OriginalLength = 16 };
        var perToken = new DynamicRotaryScaling { Factor = 2.5, OriginalLength = 16, IsPerToken = true };
        foreach (var width in new long[] { 2, 8 })
        {
            var rotary = new RotaryEmbedding(perToken.Frequencies(width, Base, 1), false);
            long[] positions = [-1, 0, 15, 16, 17, 40, 5_000_000];
            var (cos, sin) = rotary.DevicePhases(tensor(positions, [1, positions.Length]), ScalarType.Float64);
            foreach (var (index, position) in positions.Index())
            {
                var (own, expected) = (new double[width], new double[width]);
                rotary.Table.Read(position, own);
                RotaryTable.Of(whole.Frequencies(width, Base, position + 1)).Read(position, expected);

                Assert.Equal(expected, own);
                for (var t = 0; t < width / 2; t++)
                {
                    Assert.Equal(expected[t], cos[0, 0, index, t].item<double>(), 1e-8);
                    Assert.Equal(expected[(width / 2) + t], sin[0, 0, index, t].item<double>(), 1e-8);
                }
            }
        }
        Assert.NotSame(RotaryTable.Of(perToken.Frequencies(8, Base, 1)), RotaryTable.Of(whole.Frequencies(8, Base, 1)));
        Assert.Same(RotaryTable.Of(perToken.Frequencies(8, Base, 1)), RotaryTable.Of(perToken.Frequencies(8, Base, 900)));
    }

    [Fact]
    public void Per_token_angles_and_masks_that_change_distances_refuse_each_other_by_both_names()
    {
        using var scope = NewDisposeScope();
        var rotary = new RotaryEmbedding(new DynamicRotaryScaling { Factor = 2, OriginalLength = 4, IsPerToken = true }.Frequencies(8, Base, 1), false);
        var (x, positions) = (ones(1, 2, 6, 8), arange(6, dtype: ScalarType.Int64).unsqueeze(0));
        var input = new AttentionInput(x, x, x, positions, positions, null, null, rotary);
        var byHand = Assert.Throws<ArgumentException>(() => DenseAttention.Attend(input, new CeilingMask()));
        var built = Assert.Throws<ConfigurationException>(() => Build(scaled: true, new CeilingMask()));

        foreach (var message in new[] { byHand.Message, built.Message })
        {
            Assert.Contains("CeilingMask shows distances of its own", message, StringComparison.Ordinal);
            Assert.Contains("DynamicRotaryScaling.IsPerToken = true", message, StringComparison.Ordinal);
        }
        _ = DenseAttention.Attend(input, new SlidingWindowMask(new() { Window = 2 }));
        _ = DenseAttention.Attend(input with { Encoding = new RotaryEmbedding(8) }, new CeilingMask());
        Build(scaled: true, new CausalMask()).Dispose();
        Build(scaled: false, new CeilingMask()).Dispose();

        static LanguageModel Build(bool scaled, IAttentionMask mask) => ToyModel.Builder().AddAttention(attention => (attention.HeadCount, attention.HeadDim) = (2, 8))
            .AddRotary(options => options.Scaling = scaled ? ScaledPositions.PerToken(4) : null).Add(Slots.Mask.Define("given", _ => mask)).Build();
    }

    private sealed class CeilingMask : IAttentionMask
    {
        public bool IsCausal => true;

        public bool Forgets => false;

        public long? DistanceCeiling => 3;

        public Tensor? Visible(Tensor queries, Tensor keys) => queries.unsqueeze(-1).ge(keys.unsqueeze(-2));

        public override string ToString() => nameof(CeilingMask);
    }

    [Fact]
    public void With_one_pair_any_base_gives_frequency_1()
    {
        Assert.Equal([1.0], new NtkRotaryScaling { Factor = 4 }.Frequencies(2, Base, 1).ToArray());
        Assert.Equal([1.0], new DynamicRotaryScaling { Factor = 4, OriginalLength = 2 }.Frequencies(2, Base, 9).ToArray());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Cosines_and_sines_are_multiplied_by_the_factor_and_keys_turn_back(bool isInterleaved)
    {
        using var scope = NewDisposeScope();
        var rotary = new RotaryEmbedding(new RotaryFrequencies([0.5, 0.25], 1.5), isInterleaved);
        var x = arange(1, 7, dtype: ScalarType.Float64).view(1, 1, 1, 6);
        var positions = tensor(new long[] { 3 }, [1, 1]);
        var turned = rotary.EncodeKeys(x, positions);
        var (b, c) = isInterleaved ? (2.0, 3.0) : (3.0, 2.0); // what stands beside 1, and the first of the second pair
        var (bAt, cAt) = isInterleaved ? (1, 2) : (2, 1);

        Assert.Equal(1.5 * ((1 * Math.Cos(1.5)) - (b * Math.Sin(1.5))), turned[0, 0, 0, 0].item<double>(), 1e-12);
        Assert.Equal(1.5 * ((b * Math.Cos(1.5)) + (1 * Math.Sin(1.5))), turned[0, 0, 0, bAt].item<double>(), 1e-12);
        Assert.Equal(1.5 * ((c * Math.Cos(0.75)) - (4 * Math.Sin(0.75))), turned[0, 0, 0, cAt].item<double>(), 1e-12);
        Close.Check("the rest passes", x.narrow(-1, 4, 2), turned.narrow(-1, 4, 2));
        Close.Check("turned back", x, rotary.DecodeKeys(turned, positions), absolute: 1e-12);
    }

    [Fact]
    public void Phases_made_on_a_device_and_those_of_the_table_are_the_cosines_and_sines_of_the_formula()
    {
        using var scope = NewDisposeScope();
        var positions = tensor(new long[] { 0, 5, 40_000 }, [1, 3]);
        foreach (var (rotary, divisors, factor) in new[]
        {
            (new RotaryEmbedding(8), new double[] { 1, 1, 1, 1 }, 1.0),
            (new RotaryEmbedding(longRope.Frequencies(8, Base, 5_000), false), [1, 3, 9, 27], Math.Sqrt(1.25)),
        })
        {
            var (cos, sin) = rotary.DevicePhases(positions, ScalarType.Float64);
            foreach (var (index, position) in new long[] { 0, 5, 40_000 }.Index())
            {
                var row = new double[8];
                rotary.Table.Read(position, row);
                for (var t = 0; t < 4; t++)
                {
                    var phase = position * Math.Pow(10, -t) / divisors[t];
                    Assert.Equal(factor * Math.Cos(phase), row[t], 1e-10);
                    Assert.Equal(factor * Math.Sin(phase), row[4 + t], 1e-10);
                    Assert.Equal(factor * Math.Cos(phase), cos[0, 0, index, t].item<double>(), 1e-10);
                    Assert.Equal(factor * Math.Sin(phase), sin[0, 0, index, t].item<double>(), 1e-10);
                }
            }
        }
    }

    [Fact]
    public void Frequencies_alike_share_one_table_and_others_do_not()
    {
        var table = RotaryTable.Of(new RotaryFrequencies([1, 0.5]));

        Assert.Same(table, RotaryTable.Of(new RotaryFrequencies([1, 0.5])));
        Assert.NotSame(table, RotaryTable.Of(new RotaryFrequencies([1, 0.25])));
        Assert.NotSame(table, RotaryTable.Of(new RotaryFrequencies([1, 0.5], 1.5)));
        Assert.NotSame(table, RotaryTable.Of(new RotaryFrequencies([1, 0.5, 0.25])));
        Assert.Same(new RotaryEmbedding(4).Table, new RotaryEmbedding(new LinearRotaryScaling { Factor = 1 }.Frequencies(4, Base, 1), true).Table);
    }

    public static TheoryData<RotaryScaling, string, string[]> Faults => new()
    {
        { new LinearRotaryScaling(), ".factor", ["LinearRotaryScaling.Factor = 0"] },
        { new LinearRotaryScaling { Factor = double.NaN }, ".factor", ["LinearRotaryScaling.Factor = NaN"] },
        { new NtkRotaryScaling { Factor = 0.5 }, ".factor", ["NtkRotaryScaling.Factor = 0.5"] },
        { new DynamicRotaryScaling { Factor = 2 }, ".original_max_position_embeddings", ["DynamicRotaryScaling.OriginalLength = 0"] },
        { new YarnRotaryScaling { Factor = 2, OriginalLength = 64, BetaFast = 1, BetaSlow = 2 }, "", ["YarnRotaryScaling", "BetaFast = 1 is below BetaSlow = 2"] },
        { new YarnRotaryScaling { Factor = 2, OriginalLength = 64, AttentionFactor = 1, Mscale = 0.7, MscaleAllDim = 1 }, "", ["Mscale = 0.7 has no effect beside AttentionFactor"] },
        { new YarnRotaryScaling { Factor = 2, OriginalLength = 64, AttentionFactor = 1, MscaleAllDim = 1 }, "", ["MscaleAllDim = 1 has no effect beside AttentionFactor"] },
        { new YarnRotaryScaling { Factor = 2, OriginalLength = 64, Mscale = 0.7 }, "", ["Mscale = 0.7 has no effect without MscaleAllDim"] },
        { new YarnRotaryScaling { Factor = 2, OriginalLength = 64, AttentionFactor = 0 }, ".attention_factor", ["YarnRotaryScaling.AttentionFactor = 0"] },
        { new Llama3RotaryScaling { Factor = 2, OriginalLength = 64, LowFrequencyFactor = 4 }, "", ["HighFrequencyFactor = 4 is not above LowFrequencyFactor = 4"] },
        { new LongRotaryScaling { OriginalLength = 1 }, ".original_max_position_embeddings", ["LongRotaryScaling.OriginalLength = 1"] },
        { new LongRotaryScaling { OriginalLength = 4, Factor = 2 }, "", ["ShortFactor is empty"] },
        { new LongRotaryScaling { OriginalLength = 4, Factor = 2, ShortFactor = [1, -2], LongFactor = [1, 2] }, "", ["ShortFactor[1] = -2 is not a positive"] },
        { new LongRotaryScaling { OriginalLength = 4, Factor = 2, ShortFactor = [1, 2], LongFactor = [1, double.NaN] }, "", ["LongFactor[1] = NaN is not a positive"] },
        { new LongRotaryScaling { OriginalLength = 4, ShortFactor = [1, 1], LongFactor = [1, 2] }, "", ["Factor and AttentionFactor are both missing"] },
        { new LongRotaryScaling { OriginalLength = 4, Factor = 2, AttentionFactor = 1, ShortFactor = [1, 1], LongFactor = [1, 2] }, "", ["Factor = 2 has no effect beside AttentionFactor"] },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void What_cannot_be_is_refused_when_it_is_added(RotaryScaling scaling, string place, string[] texts)
    {
        var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddAttention().AddRotary(rotary => rotary.Scaling = scaling));

        Assert.Equal("$.components[1].options.rope_scaling" + place, error.Path);
        Assert.All(texts, text => Assert.Contains(text, error.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"rope_type":"linear","factor":2,"beta_fast":3}""", "beta_fast")]
    [InlineData("""{"rope_type":"llama3","factor":2,"original_max_position_embeddings":8,"attention_factor":1}""", "attention_factor")]
    [InlineData("""{"rope_type":"longest","factor":2}""", "rope_type: \"longest\" is not one of linear, ntk, dynamic")]
    [InlineData("""{"factor":2}""", "rope_type: null is not one of linear")]
    [InlineData("""{"rope_type":"linear","factor":0}""", "LinearRotaryScaling.Factor = 0")]
    [InlineData("""{"rope_type":"longrope","factor":2,"original_max_position_embeddings":8,"short_factor":null,"long_factor":[1]}""", "short_factor")]
    public void A_file_with_a_parameter_that_the_scaling_does_not_use_or_a_scaling_that_does_not_exist_is_refused_by_name(string scaling, string text)
    {
        var json = ToyModel.Builder().AddAttention().AddRotary().Config.ToJson().Replace("\"rope_scaling\": null", $"\"rope_scaling\": {scaling}", StringComparison.Ordinal);
        var error = Assert.Throws<ConfigurationException>(() => LanguageModelBuilder.From(ModelConfig.FromJson(json)).Build());

        Assert.StartsWith("$.components[1].options", error.Path, StringComparison.Ordinal);
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_published_names_are_those_of_the_file_in_any_order_and_what_was_written_is_read_again()
    {
        const string Yarn = """{"factor":4,"original_max_position_embeddings":32,"beta_fast":16,"beta_slow":2,"truncate":false,"mscale":0.7,"mscale_all_dim":1,"rope_type":"yarn"}""";
        var plain = ToyModel.Builder().AddAttention().AddRotary().Config.ToJson();
        var read = ModelConfig.FromJson(plain.Replace("\"rope_scaling\": null", $"\"rope_scaling\": {Yarn}", StringComparison.Ordinal));
        using var model = LanguageModelBuilder.From(read).Build();
        var built = ToyModel.Builder().AddAttention().AddRotary(rotary => rotary.Scaling = new YarnRotaryScaling
        {
            Factor = 4,
            OriginalLength = 32,
            BetaFast = 16,
            BetaSlow = 2,
            Truncates = false,
            Mscale = 0.7,
            MscaleAllDim = 1,
        });
        using var same = built.Build();

        Assert.Equal(same.Config, model.Config);
        Assert.Equal(same.Config, ModelConfig.FromJson(same.Config.ToJson()));
        Assert.Contains("\"rope_type\": \"yarn\"", same.Config.ToJson(), StringComparison.Ordinal);
        Assert.NotEqual(same.Config, ToyModel.Builder().AddAttention().AddRotary(rotary => rotary.Scaling = new YarnRotaryScaling { Factor = 4, OriginalLength = 32 }).Config);
    }

    [Fact]
    public void What_does_not_fit_the_heads_is_refused_with_both_names()
    {
        Refused(rotary => rotary.Dim = 6, "rotary_dim", "RotaryOptions.Dim = 6", "exceeds the head width 4");
        Refused(rotary => rotary.Dim = 3, "rotary_dim", "RotaryOptions.Dim = 3", "is odd");
        Refused(rotary => rotary.Scaling = longRope, "rope_scaling", "RotaryOptions.Scaling = LongRotaryScaling", "4 numbers in ShortFactor", "2 are needed");
        Refused(rotary => (rotary.Base, rotary.Scaling) = (1, new YarnRotaryScaling { Factor = 2, OriginalLength = 8 }), "rope_scaling", "needs a base above 1");
        using var fits = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 1).AddRotary(rotary => rotary.Scaling = longRope).Build();

        static void Refused(Action<RotaryOptions> configure, string member, params string[] texts)
        {
            var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddRotary(configure).Build());
            Assert.Equal($"$.components[1].options.{member}", error.Path);
            Assert.All(texts, text => Assert.Contains(text, error.Message, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Heads_need_not_be_as_wide_as_the_model_nor_the_model_even()
    {
        using var odd = ToyModel.Builder(modelDim: 9).AddAttention(attention => (attention.HeadCount, attention.HeadDim) = (2, 4)).AddRotary().Build();
        using var wide = ToyModel.Builder(modelDim: 8).AddAttention(attention => (attention.HeadCount, attention.HeadDim) = (2, 16)).AddRotary(rotary => rotary.Dim = 12).Build();
        var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder(modelDim: 9).AddAttention(attention => (attention.HeadCount, attention.HeadDim) = (2, 5)).AddRotary().Build());

        Assert.Contains("RotaryOptions.Dim = 0, which stands for the head width 5, is odd", error.Message.Replace(" ($.components[1].options.rotary_dim)", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }
}
