using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>A discriminator is a language model with another end, whatever model it is made from.</summary>
[NoTensorLeak]
public sealed class DiscriminatorTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_starts_from_any_bidirectional_teacher_and_is_saved_and_loaded(bool isTransformer)
    {
        using var scope = NewDisposeScope();
        using var teacher = isTransformer ? DiffusionTransformer.Build(DistillerRun.Sizes) : Plain(bidirectional: true).AddPackedLinear(sites: ["lm_head"]).AddSparseAncestralSampler(4).Build();
        ConditioningTests.Stir(teacher);
        using var discriminator = Discriminator.FromTeacher(teacher);
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            discriminator.Model.Save(folder.FullName);
            using var again = new Discriminator(LanguageModel.Load(folder.FullName, kinds => kinds.AddDiffusion()));
            var (tokens, level) = (tensor(new long[] { 4, 1, 2, 4 }, [2, 2]), full(2, 0.7));

            var logits = discriminator.call(tokens, level);

            Assert.Equal([2, 2, 1], logits.shape);
            Close.Check("loaded", logits, again.call(tokens, level));
            foreach (var (name, parameter) in discriminator.Model.named_parameters().Where(pair => pair.name.StartsWith("layers.", StringComparison.Ordinal)))
                Close.Check(name, teacher.get_parameter(name)!, parameter);
            Assert.DoesNotContain(discriminator.Model.named_parameters(), pair => pair.name.StartsWith("ln_f", StringComparison.Ordinal));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Only_the_last_blocks_and_the_head_are_left_to_train()
    {
        using var scope = NewDisposeScope();
        using var teacher = Plain(bidirectional: true).Build();
        using var discriminator = Discriminator.FromTeacher(teacher);

        discriminator.FreezeAllBut(1);

        Assert.All(discriminator.Model.named_parameters(), pair => Assert.Equal(pair.name.StartsWith("layers.1.", StringComparison.Ordinal) || pair.name.StartsWith("lm_head.", StringComparison.Ordinal), pair.parameter.requires_grad));
    }

    [Fact]
    public void What_cannot_be_a_discriminator_is_refused()
    {
        using var scope = NewDisposeScope();
        using var causal = Plain(bidirectional: false).Build();
        using var plain = Plain(bidirectional: true).Build();
        using var normed = Plain(bidirectional: true).AddTokenEmbedding(token => token.HasNorm = true).Build();

        Assert.Contains("IsBidirectional", Assert.Throws<ArgumentException>(() => Discriminator.FromTeacher(causal)).Message, StringComparison.Ordinal);
        Assert.Contains("has 'linear'; add it (AddDiscriminatorHead)", Assert.Throws<ArgumentException>(() => new Discriminator(plain)).Message, StringComparison.Ordinal);
        Assert.Contains("embeddings.norm.weight", Assert.Throws<ArgumentException>(() => Discriminator.FromTeacher(normed)).Message, StringComparison.Ordinal);
    }

    private static LanguageModelBuilder Plain(bool bidirectional)
    {
        var builder = ToyModel.Builder(dtype: ScalarType.Float32).AddAttention(attention => attention.HeadCount = 2);
        builder.Options.IsBidirectional = bidirectional;
        return builder;
    }
}
