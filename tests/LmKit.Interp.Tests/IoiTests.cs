using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class IoiTests
{
    private static readonly CircuitSection section = new("END-out", [new("layers.0.mixer_out", IoiPosition.End), new("layers.1.mixer_out", IoiPosition.End)]);

    [Fact]
    public void Prompts_name_their_parts_where_they_say()
    {
        using var random = new Generator(1);
        var (dataset, vocabulary) = IoiDataset.WithOwnVocabulary(IoiWords.Small);
        using var batch = dataset.Tokenize(dataset.Draw(50, random));
        using var scope = NewDisposeScope();
        Tensor At(IoiPosition position) => batch.Tokens.gather(1, batch.Positions.narrow(1, (long)position, 1)).squeeze(1);

        Assert.Equal([50, 19], batch.Tokens.shape);
        Assert.True(batch.Tokens.max().item<long>() < vocabulary);
        Close.Check("io", batch.Answers, At(IoiPosition.Io));
        Close.Check("s1", batch.Subjects, At(IoiPosition.S1));
        Close.Check("s2", batch.Subjects, At(IoiPosition.S2));
        Assert.True(batch.Answers.ne(batch.Subjects).all().item<bool>());
        Assert.Equal(25, batch.Prompts.Count(prompt => prompt.IsIoFirst));
        Assert.True(batch.Positions.select(1, (long)IoiPosition.End).eq(18).all().item<bool>());
    }

    [Fact]
    public void Counterfactuals_change_one_attribute_and_no_other()
    {
        using var random = new Generator(1);
        var (dataset, _) = IoiDataset.WithOwnVocabulary(IoiWords.Small);
        var prompts = dataset.Draw(40, random);
        foreach (var (prompt, changed) in prompts.Zip(dataset.Counterfactual(prompts, "io", random)))
        {
            Assert.DoesNotContain(changed.Io, new[] { prompt.Io, prompt.S });
            Assert.Equal(prompt with { Io = changed.Io }, changed);
        }
        foreach (var (prompt, changed) in prompts.Zip(dataset.Counterfactual(prompts, "io_pos", random)))
            Assert.Equal(prompt with { IsIoFirst = !prompt.IsIoFirst }, changed);
        Assert.Contains("colour", Assert.Throws<ArgumentException>(() => dataset.Counterfactual(prompts, "colour", random)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Templates_and_names_that_do_not_fit_are_refused()
    {
        var words = IoiWords.Small;
        Assert.Contains("length", Assert.Throws<ArgumentException>(() => IoiDataset.WithOwnVocabulary(words with { Templates = [.. words.Templates, "A B C to"] })).Message, StringComparison.Ordinal);
        Assert.Contains("slots", Assert.Throws<ArgumentException>(() => IoiDataset.WithOwnVocabulary(words with { Templates = ["A and B then D to"] })).Message, StringComparison.Ordinal);
        Assert.Contains("token", Assert.Throws<ArgumentException>(() => new IoiDataset(words, _ => 1)).Message, StringComparison.Ordinal);
        foreach (var missing in (string[])["Kate", "rose", "museum", "handed"])
        {
            var place = 0L;
            long TokenOf(string word) => word == missing ? throw new ArgumentException($"'{word}' is not one token.") : ++place;
            Assert.Contains(missing, Assert.Throws<ArgumentException>(() => new IoiDataset(words, TokenOf)).Message, StringComparison.Ordinal);
        }
        Assert.Contains("Places", Assert.Throws<ArgumentException>(() => IoiDataset.WithOwnVocabulary(words with { Places = [] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Large_lists_hold_enough_different_words()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var words = IoiWords.Large;
        Assert.True(words.Names.Distinct().Count() >= 216 && words.Objects.Distinct().Count() >= 144 && words.Places.Distinct().Count() >= 75);
        var (dataset, vocabulary) = IoiDataset.WithOwnVocabulary(words);
        using var batch = dataset.Tokenize(dataset.Draw(100, random));
        Assert.True(batch.Tokens.max().item<long>() < vocabulary);
        Assert.All(words.WithNames(word => word.Length == 4).Names, name => Assert.Equal(3, name.Length));
    }

    [Fact]
    public void Patching_own_activations_leaves_logits_bit_identical_and_others_change_them()
    {
        using var random = new Generator(1);
        using var scope = NewDisposeScope();
        var (dataset, vocabulary) = IoiDataset.WithOwnVocabulary(IoiWords.Small);
        using var model = Model(vocabulary);
        var prompts = dataset.Draw(8, random);
        using var batch = dataset.Tokenize(prompts);
        using var other = dataset.Tokenize(dataset.Counterfactual(prompts, "io", random));
        var (own, foreign) = (section.Read(model, batch), section.Read(model, other));
        var clean = section.Logits(model, batch);

        Close.Check("own", clean, section.Logits(model, batch, own));
        Assert.True((section.Logits(model, batch, foreign) - clean).abs().max().item<float>() > 0);
        Close.Check("restored", clean, section.Logits(model, batch));
        // The last residual decides the logits: patching it runs the counterfactual there.
        var last = new CircuitSection("all", [new("layers.1.resid_post", IoiPosition.End)]);
        Close.Check("all", last.Logits(model, other), last.Logits(model, batch, last.Read(model, other)));
        Assert.Throws<ArgumentException>(() => section.Logits(model, batch, own.narrow(1, 0, 3)));
    }

    [Fact]
    public void The_three_tests_run_on_a_supervised_dictionary_and_an_autoencoder()
    {
        using var random = new Generator(1);
        using var scope = NewDisposeScope();
        var (dataset, vocabulary) = IoiDataset.WithOwnVocabulary(IoiWords.Small);
        using var model = Model(vocabulary);
        var prompts = dataset.Draw(200, random);
        using var batch = dataset.Tokenize(prompts);
        using var other = dataset.Tokenize(dataset.Counterfactual(prompts, "io", random));
        var activations = section.Read(model, batch);
        var names = IoiWords.Small.Names.Count;
        AttributeBlock[] blocks = [new("io", [0], [names]), new("s", [1], [names]), new("io_pos", [2], [2])];
        using var supervised = SupervisedDictionary.Fit(activations, batch.Attributes, blocks);
        var approximation = ApproximationTest.Run(model, section, supervised, batch, activations.mean([0L]));
        Assert.Equal(batch.Score(section.Logits(model, batch)), approximation.CleanDifference, 12);
        var control = ControllabilityTest.RunSupervised(model, section, supervised, batch, other, 0);
        Assert.Equal((1, Agreement.Of(section.Logits(model, batch), section.Logits(model, batch, section.Read(model, other)))), (control.FeatureCount, control.AgreementWithoutEdit));

        using var autoencoder = Parameters.Make(parameters => new TopKAutoencoder(new TopKOptions { ModelDim = activations.size(1), FeatureCount = 64, ActiveCount = 4 }, parameters), ScalarType.Float32);
        var results = ControllabilityTest.Run(model, section, autoencoder, batch, other, 0, 64);
        Assert.Equal(results[0].AgreementWithoutEdit, results[0].Agreement);
        var found = InterpretabilityTest.Run(autoencoder, new ActivationBatch(activations, batch.Attributes), blocks[2], 0.0, 1.01);
        Assert.True(found[0].FeatureCount > 0);
        Assert.Equal(0, found[1].FeatureCount);
    }

    [Fact]
    public void Greedy_control_is_the_best_single_swap_and_never_moves_away()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(4);
        using var autoencoder = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = 6, FeatureCount = 15 }, parameters));
        var (a, b) = (new ActivationBatch(randn([1000, 6], ScalarType.Float64, generator: random)), new ActivationBatch(randn([1000, 6], ScalarType.Float64, generator: random)));
        var edit = SparseControl.Greedy(autoencoder, a, b, 6);
        var delta = autoencoder.Encode(b) - autoencoder.Encode(a);
        var every = (delta.unsqueeze(2) * autoencoder.Atoms.unsqueeze(0) + a.Values.unsqueeze(1) - b.Values.unsqueeze(1)).norm(2); // (B, F)
        Close.Check("best", every.amin([1]), edit.Distances.select(1, 0), absolute: 1e-9);
        var steps = cat([(a.Values - b.Values).norm(1).unsqueeze(1), edit.Distances], 1);
        Assert.True((steps.narrow(1, 1, 6) - steps.narrow(1, 0, 6)).max().item<double>() <= 1e-12);
    }

    [Fact]
    public void Split_features_have_a_lower_loss_than_the_ideal_pair_at_small_penalties()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var (samples, mean) = OverSplittingToy.Draw(2000, 100, 2, random);
        var (drawn, _) = OverSplittingToy.Draw(1000, 100, 2, random);
        foreach (var lambda in (double[])[1, 3])
        {
            var split = OverSplittingToy.BestSplit(samples, drawn, lambda, steps: 8);
            Assert.True(split.Loss < OverSplittingToy.BestIdeal(samples, mean, lambda));
            Assert.True(split.ActiveCount > 2);
        }
    }

    [Fact]
    public void An_oracle_dictionary_sees_both_sides_of_the_occlusion_toy()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var (activations, attributes) = OcclusionToy.Draw(500, 5, 16, 0.6, random);
        using var oracle = SupervisedDictionary.Fit(activations, attributes, [new("high", [0], [5]), new("low", [1], [5])]);
        Assert.Equal([10, 16], oracle.Atoms.shape);
        Assert.True(ReconstructionQuality.Of(activations, oracle.Decode(oracle.Encode(attributes))).UnexplainedFraction < 1e-6);
    }

    private static LanguageModel Model(long vocabulary) => new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 2 }
        .AddAttention(attention => attention.HeadCount = 2).Build();
}
