using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Temperature 1e-5 on a float16 model overflowed in the division; filters and draws counted in the model's dtype.</summary>
[NoTensorLeak]
public sealed class Report29LowTemperatureInFloat16
{
    private static readonly ScalarType[] Dtypes = [ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64];

    [Theory]
    [InlineData(1e-5)]
    [InlineData(1e-30)]
    [InlineData(1e-45)]
    [InlineData(double.Epsilon)]
    public void A_tiny_temperature_takes_the_most_likely_token(double temperature)
    {
        foreach (var dtype in Dtypes)
        {
            using var scope = NewDisposeScope();
            using var model = Model(dtype, 20);
            Assert.Equal(Sample(model, new() { Temperature = 0 }), Sample(model, new() { Temperature = temperature }));
        }
    }

    [Theory]
    [InlineData(1e-300)]
    [InlineData(1e-5)]
    [InlineData(.00999)]
    [InlineData(.7)]
    [InlineData(1000)]
    public void Probabilities_are_those_of_float64(double temperature)
    {
        using var scope = NewDisposeScope();
        foreach (var dtype in Dtypes)
        {
            var logits = (Random(4, 3, 50) * 30).to(dtype);
            var below = logits.to(ScalarType.Float64) - logits.to(ScalarType.Float64).amax([-1], keepdim: true);
            var filtered = Temperature.Filter(temperature)(logits, Grid, 0);

            Assert.Equal(HalfPrecision.Wide(dtype), filtered.dtype);
            Close.Check($"{dtype}", (below / temperature).softmax(-1), filtered.softmax(-1), absolute: 2e-5);
        }
    }

    [Fact]
    public void Ties_at_the_top_stay_ties_and_forbidden_tokens_stay_forbidden()
    {
        using var scope = NewDisposeScope();
        foreach (var temperature in new[] { 1e-320, 1e-6, 2 })
        {
            var filtered = Temperature.Filter(temperature)(tensor(new[] { 3, double.NegativeInfinity, 3, 1 }, [1, 4]).to(ScalarType.Float16), Grid, 0).softmax(-1);
            Assert.Equal(filtered[0, 0].item<float>(), filtered[0, 2].item<float>());
            Assert.Equal(0, filtered[0, 1].item<float>());
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Penalties_count_every_occurrence_and_lose_nothing(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var logits = (Random(4, 2, 5) * 3).to(dtype);
        var tokens = zeros(2, 3000, dtype: ScalarType.Int64);
        tokens[1, 2999] = 1;
        var wide = logits.to(ScalarType.Float64);
        var counts = tensor(new double[] { 3000, 0, 0, 0, 0, 2999, 1, 0, 0, 0 }, [2, 5]);

        Close.Check("counted", wide - counts * .001 - counts.gt(0).to(ScalarType.Float64) * .3, RepetitionPenalty.Filter(.001, .3)(logits, tokens, 0), absolute: 1e-5);
        Close.Check("divided", where(counts.gt(0), where(wide.gt(0), wide / 1.3, wide * 1.3), wide), RepetitionPenalty.Filter(1.3)(logits, tokens, 0), absolute: 1e-5);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Min_p_and_top_k_compare_the_logits_themselves(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var logits = (Random(4, 20, 300) * 20).to(dtype);
        var wide = logits.to(ScalarType.Float64);
        foreach (var share in new[] { .9, .1, .001 })
        {
            var wanted = (wide - wide.amax([-1], keepdim: true)).exp().ge(share);
            Assert.True(MinP.Filter(share)(logits, Grid, 0).isfinite().eq(wanted).all().ToBoolean());
        }
        Assert.True(TopK.Filter(7)(logits, Grid, 0).isfinite().sum(1).ge(7).all().ToBoolean());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1e-40)]
    public void Logits_that_are_not_finite_give_one_error_that_names_the_row(double temperature)
    {
        foreach (var options in new AutoregressiveSamplerOptions[] { new(), new() { TopP = .9 }, new() { MinP = .1 }, new() { TopK = 3 }, new() { RepetitionPenalty = 1.5, PresencePenalty = 1 } })
        {
            foreach (var (value, word) in new[] { (double.NaN, "NaN"), (double.PositiveInfinity, "infinite"), (double.NegativeInfinity, "forbidden") })
            {
                options.Temperature = temperature;
                using var scope = NewDisposeScope();
                using var model = Model(ScalarType.Float32, 1);
                LogitFilter breaks = (logits, _, _) =>
                {
                    var broken = logits.clone();
                    if (value < 0)
                        broken[1] = full(broken.size(1), value);
                    else
                        broken[1, 2] = value;
                    return broken;
                };
                var sampler = new AutoregressiveSampler(model, options, breaks);
                var error = Assert.Throws<NotFiniteLogitsException>(() => { foreach (var grid in sampler.Sample(ones([2, 3], ScalarType.Int64), 2)) grid.Dispose(); });

                Assert.Equal(1, error.Row);
                Assert.IsAssignableFrom<InvalidOperationException>(error);
                if (options.TopP == 1 && options.MinP == 0 && options.TopK == 0 && temperature is 0 or 1)
                    Assert.Contains(word, error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_model_with_a_weight_that_is_not_a_number_is_not_sampled()
    {
        using var scope = NewDisposeScope();
        using var model = Model(ScalarType.Float16, 1);
        using (no_grad())
            model.get_parameter("embeddings.word_embeddings.weight")![2] = double.NaN;
        Assert.Throws<NotFiniteLogitsException>(() => Sample(model, new() { Temperature = 0 }));
    }

    private static long[] Sample(LanguageModel model, AutoregressiveSamplerOptions options)
    {
        Tensor? last = null;
        using var random = new Generator(1);
        foreach (var grid in new AutoregressiveSampler(model, options).Sample(tensor(new long[] { 1, 2, 3 }, [1, 3]), 6, random))
        {
            last?.Dispose();
            last = grid;
        }
        using (last)
            return HostValues.Read(last!);
    }

    private static LanguageModel Model(ScalarType dtype, double scale)
    {
        var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1, Dtype = dtype }.AddAttention(attention => attention.HeadCount = 2).Build();
        using var frozen = no_grad();
        foreach (var parameter in model.parameters().Where(parameter => parameter.dim() >= 2))
            _ = parameter.mul_(scale);
        return model;
    }

    private static Tensor Random(ulong seed, params long[] shape)
    {
        using var random = new Generator(seed);
        return randn(shape, ScalarType.Float64, generator: random);
    }

    private static Tensor Grid => zeros(1, 1, dtype: ScalarType.Int64);
}
