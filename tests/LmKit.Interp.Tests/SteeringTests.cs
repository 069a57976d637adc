using LmKit.Conformance;
using Microsoft.ML.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class SteeringTests
{
    private const string Point = "layers.0.resid_post";

    [Theory]
    [InlineData(InputNormalization.None)]
    [InlineData(InputNormalization.PerRowStandardize)]
    public void Steering_is_the_splice_that_adds_to_the_code(InputNormalization normalization)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        using var dictionary = TopAfa(normalization);
        var tokens = tensor(new long[] { 1, 2, 3, 4, 5, 6 }).reshape(2, 3);
        Tensor spliced;
        using (ActivationTap.Splice(model, Point, dictionary, edits: [FeatureEdit.Steer(4, 2.5)]))
            spliced = model.call(tokens, null);
        using (ActivationTap.Steer(model, Point, dictionary, 4, 2.5))
            Close.Check("steered", spliced, model.call(tokens, null), absolute: 1e-10);
        Assert.Throws<ArgumentException>(() => ActivationTap.Steer(model, Point, dictionary, 99, 1));
        Assert.Throws<ArgumentException>(() => ActivationTap.Steer(model, "layers.7.z", dictionary, 0, 1));
    }

    [Fact]
    public void A_row_edited_by_a_dictionary_is_what_a_tap_makes_of_it_and_its_neighbour_stays()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        using var dictionary = TopAfa(InputNormalization.PerRowStandardize);
        var tokens = tensor(new long[] { 1, 2, 3, 4, 0, 2 }, [2, 3]);
        var plain = model.call(tokens, null);
        Tensor steered, spliced;
        using (ActivationTap.Steer(model, Point, dictionary, 4, 2.5))
            steered = model.call(tokens, null);
        using (ActivationTap.Splice(model, Point, dictionary, true, FeatureEdit.Ablate(4), FeatureEdit.Clamp(2, 3)))
            spliced = model.call(tokens, null);
        Check(steered, HookEdits.None.Steer(Point, 1, dictionary, 4, 2.5));
        Check(spliced, HookEdits.None.Splice(Point, 1, dictionary, true, FeatureEdit.Ablate(4), FeatureEdit.Clamp(2, 3)));
        Assert.Throws<ArgumentException>(() => HookEdits.None.Steer(Point, 0, dictionary, 99, 1));
        Assert.Throws<ArgumentException>(() => HookEdits.None.Splice(Point, 0, dictionary, true, FeatureEdit.Ablate(99)));

        void Check(Tensor all, HookEdits edits)
        {
            var edited = model.call(tokens, new SequenceContext { Edits = edits });
            Assert.True(plain[0].Equals(edited[0]));
            Assert.False(plain[1].Equals(edited[1]));
            Close.Check("row 1", all[1], edited[1], absolute: 1e-10);
        }
    }

    [Fact]
    public void Text_is_steered_while_the_tap_lives_in_one_pass_or_token_by_token()
    {
        var tokenizer = new ByteTokenizer();
        var builder = new LanguageModelBuilder { VocabSize = 259, ModelDim = ToyModel.ModelDim, LayerCount = 2 };
        builder.Options.InitializerRange = 0.4;
        using var model = builder.AddAttention(attention => attention.HeadCount = 2).AddAutoregressiveSampler(sampler => sampler.Temperature = 0).Build();
        using var dictionary = Wordy(model);
        var generator = new TextGenerator(model.CreateSampler(), new ModelTokenizer(tokenizer, 259));
        var options = new GenerationOptions { MaxOutputTokens = 6, Seed = 1 };
        var plain = generator.Generate(["abc"], options);
        IReadOnlyList<string> steered;
        using (ActivationTap.Steer(model, "layers.1.resid_post", dictionary, 0, 200))
            steered = generator.Generate(["abc"], options);

        Assert.Equal(new string(Favourite(model, dictionary), 6), steered[0]);
        Assert.NotEqual(plain[0], steered[0]);
        Assert.Equal(plain[0], generator.Generate(["abc"], options)[0]);
    }

    // Feature 0 writes a letter's embedding into the residual.
    private static TopAfaAutoencoder Wordy(LanguageModel model)
    {
        using var random = new Generator(1);
        var dictionary = new TopAfaAutoencoder(new TopAfaOptions { ModelDim = ToyModel.ModelDim, FeatureCount = 3 }, new ParameterFactory(random));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var word = model.get_parameter("embeddings.word_embeddings.weight")!['x'];
        dictionary.get_parameter("W_dec")!.narrow(0, 0, 1).copy_((word / word.norm()).unsqueeze(0));
        return dictionary;
    }

    // The letter that a residual of nothing but feature 0 predicts.
    private static char Favourite(LanguageModel model, TopAfaAutoencoder dictionary)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var residual = dictionary.Atoms[0] * 200;
        return (char)model.Logits(nn.functional.layer_norm(residual, [ToyModel.ModelDim])).argmax().item<long>();
    }

    private static TopAfaAutoencoder TopAfa(InputNormalization normalization)
    {
        var options = TopAfaOptions.Official();
        (options.ModelDim, options.FeatureCount, options.InputNormalization) = (ToyModel.ModelDim, 12, normalization);
        return Parameters.Make(parameters => new TopAfaAutoencoder(options, parameters));
    }
}
