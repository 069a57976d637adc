using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class TaskTests
{
    [Fact]
    public void Greater_than_prompts_state_their_year_and_counterfactuals_another()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var (task, vocabulary) = GreaterThanTask.WithOwnVocabulary();
        using var batch = task.Draw(60, random);
        using var other = task.Counterfactual(batch, "year", random);
        Assert.True(batch.Tokens.max().item<long>() < vocabulary);
        Assert.InRange(batch.Attributes.max().item<long>(), 1, 18);
        Assert.True(batch.Attributes.ne(other.Attributes).all().item<bool>());
        Assert.Equal(60, batch.Tokens.ne(other.Tokens).sum().item<long>()); // one token of each prompt
        Assert.True(batch.Positions.eq(batch.Tokens.size(1) - 1).all().item<bool>());
        Assert.Contains("month", Assert.Throws<ArgumentException>(() => task.Counterfactual(batch, "month", random)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new GreaterThanTask(_ => 1, ["war"]));
    }

    [Fact]
    public void Greater_than_scores_later_years_against_the_others()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var (task, vocabulary) = GreaterThanTask.WithOwnVocabulary();
        using var batch = (GreaterThanBatch)task.Draw(20, random);
        var later = batch.YearTokens.narrow(0, 50, 1).expand(20);
        var logits = full([20, vocabulary], -50.0).scatter(1, later.unsqueeze(1), full([20, 1], 50.0));
        Assert.Equal(1, batch.Score(logits), 9);
        var own = batch.YearTokens.index_select(0, batch.Attributes.squeeze(1) + 1);
        Assert.Equal(-1, batch.Score(full([20, vocabulary], -50.0).scatter(1, own.unsqueeze(1), full([20, 1], 50.0))), 9);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_bench_judges_any_task(bool isIoi)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var (task, vocabulary) = Task(isIoi);
        using var model = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 2 }.AddAttention(attention => attention.HeadCount = 2).Build();
        using var fitting = task.Draw(120, random);
        using var clean = task.Draw(40, random);
        var block = task.Attributes[0];
        using var counterfactual = task.Counterfactual(clean, block.Name, random);
        var section = new CircuitSection("end", [new("layers.1.mixer.z", (int)clean.Positions.size(1) - 1)]);
        var activations = section.Read(model, fitting);
        using var supervised = SupervisedDictionary.Fit(activations, fitting.Attributes, task.Attributes);
        using var control = OrthogonalDictionary.Draw(activations.mean([0L]), random);
        var bench = new DictionaryBench(model, section, activations.mean([0L]), clean, counterfactual, block);
        var table = new BenchTable([bench.Run("supervised", supervised, 1), bench.Run("control", control, 1, 32)]);
        var (row, whole) = (table.Rows[0], table.Rows[1]);

        Assert.Equal(task.Attributes.Count, row.ActiveCount);
        Assert.Single(row.Control);
        // All directions swapped is the counterfactual itself, and a basis rebuilds everything.
        Assert.Equal(1, whole.Control[1].Agreement);
        Assert.Equal(1, whole.Approximation.Sufficiency.Sufficiency, 3);
        var markdown = table.ToMarkdown();
        Assert.Contains("no edit", markdown, StringComparison.Ordinal);
        Assert.Contains("| control | ", markdown, StringComparison.Ordinal);
        Assert.Equal(1 + 1 + 2, table.ToCsv().TrimEnd().Split('\n').Length);
        Assert.Throws<ArgumentException>(() => new DictionaryBench(model, section, activations.mean([0L]), clean, counterfactual, new("x", [7], [2])).Run("s", supervised, 1));
    }

    [Fact]
    public void A_table_flags_what_cannot_be_judged()
    {
        var score = LogitDifferenceScore.Of(17.6, 16.3, 17);
        Assert.True(score.IsIllConditioned);
        Assert.False(double.IsNaN(score.Necessity));
        Assert.True(double.IsNaN(LogitDifferenceScore.Of(17.6, 17.2, 17).Necessity));
        Assert.False(LogitDifferenceScore.Of(17.6, 2, 17).IsIllConditioned);
        var row = new BenchRow("END", "s", "any", new(17.6, 16.3, score, score), 3, 0.9, [new(1, 1, 0.95, 0.1), new(2, 1, 0.95, 0.2)]);
        var markdown = new BenchTable([row]).ToMarkdown();
        Assert.Contains("ill-conditioned", markdown, StringComparison.Ordinal);
        Assert.Contains("No resolution", markdown, StringComparison.Ordinal);
    }

    [Fact]
    public void A_section_of_single_heads_reads_and_replaces_them_alone()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(1);
        var (task, vocabulary) = Task(true);
        using var model = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 2 }.AddAttention(attention => attention.HeadCount = 4).Build();
        using var batch = task.Draw(10, random);
        using var other = task.Counterfactual(batch, "io", random);
        CircuitSection Heads(params int[] heads) => new("heads", [.. heads.Select(head => new CircuitNode("layers.0.mixer.z", IoiPosition.End, head))]);
        var (some, all) = (Heads(3, 1), new CircuitSection("all", [new("layers.0.mixer.z", IoiPosition.End)]));
        var joined = all.Read(model, batch);
        Close.Check("read", cat([joined.narrow(1, 12, 4), joined.narrow(1, 4, 4)], 1), some.Read(model, batch));
        Close.Check("own", some.Logits(model, batch), some.Logits(model, batch, some.Read(model, batch)));
        var foreign = all.Read(model, other);
        Close.Check("each head", all.Logits(model, batch, foreign), Heads(0, 1, 2, 3).Logits(model, batch, foreign));
        Assert.Contains("head 4", Assert.Throws<ArgumentException>(() => Heads(4).Read(model, batch)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new CircuitSection("place", [new("layers.0.mixer.z", 9)]).Read(model, batch));
    }

    [Fact]
    public void Training_draws_only_pairs_that_are_not_held_out_and_lowers_the_loss()
    {
        using var random = new Generator(1);
        var (dataset, vocabulary) = IoiDataset.WithOwnVocabulary(IoiWords.Small);
        using var model = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 1 }.AddAttention(attention => attention.HeadCount = 2).Build();
        using var task = new IoiTrainingTask(model, dataset, 32, 5);
        Assert.All(IoiTrainingTask.HeldOut(dataset, 30, random), prompt => Assert.True(IoiTrainingTask.IsHeldOut(prompt)));
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 30, LearningRate = 1e-2 });
        var before = task.Evaluate()!;
        trainer.Run();
        var after = task.Evaluate()!;
        Assert.True(after.Value < before.Value);
        Assert.Equal((400, "prompts"), (after.UnitCount, after.Unit));
        Assert.InRange(after.StandardError, 0.001, 0.2);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(10)]
    public void Names_that_leave_no_pair_held_out_are_refused_by_number(int count)
    {
        using var random = new Generator(1);
        var (dataset, vocabulary) = IoiDataset.WithOwnVocabulary(IoiWords.Small with { Names = [.. IoiWords.Small.Names.Take(count)] });
        using var model = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 1 }.AddAttention(attention => attention.HeadCount = 2).Build();
        Assert.Contains($"got {count}", Assert.Throws<ArgumentException>(() => new IoiTrainingTask(model, dataset, 4, 5)).Message, StringComparison.Ordinal);
        Assert.Contains($"got {count}", Assert.Throws<ArgumentException>(() => IoiTrainingTask.HeldOut(dataset, 4, random)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Eleven_names_hold_pairs_out()
    {
        using var random = new Generator(1);
        var (dataset, _) = IoiDataset.WithOwnVocabulary(IoiWords.Small with { Names = [.. IoiWords.Small.Names.Take(11)] });
        Assert.All(IoiTrainingTask.HeldOut(dataset, 5, random), prompt => Assert.Equal(10, Math.Abs(prompt.Io - prompt.S)));
    }

    [Fact]
    public void Weights_of_prompts_that_rebuild_nothing_are_left_out_of_the_mean()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var (dataset, vocabulary) = IoiDataset.WithOwnVocabulary(IoiWords.Small);
        using var model = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 1 }.AddAttention(attention => attention.HeadCount = 2).Build();
        var prompts = dataset.Draw(40, random);
        using var clean = dataset.Tokenize(prompts);
        using var counterfactual = dataset.Tokenize(dataset.Counterfactual(prompts, "io", random));
        var section = new CircuitSection("end", [new("layers.0.resid_post", IoiPosition.End)]);
        var atoms = randn([40, 16], generator: random);
        atoms[TensorIndex.Slice(0, 20)] = 0; // half the names have no atom
        using var some = SupervisedDictionary.FromAtoms([dataset.Attributes[0]], atoms, zeros([16]));
        using var none = SupervisedDictionary.FromAtoms([dataset.Attributes[0]], zeros([40, 16]), zeros([16]));
        Assert.Equal(1, ControllabilityTest.RunSupervised(model, section, some, clean, counterfactual, 0).RemovedWeight, 5);
        Assert.True(double.IsNaN(ControllabilityTest.RunSupervised(model, section, none, clean, counterfactual, 0).RemovedWeight));
    }

    [Fact]
    public void Names_with_signs_stay_in_their_cell_and_rows_without_control_are_kept()
    {
        var score = LogitDifferenceScore.Of(17.6, 2, 17);
        BenchRow Row(string name, params ControllabilityResult[] control) => new("END, out", "s", name, new(17.6, 2, score, score), 3, 0.9, control);
        var none = Row("a \"b\", c|d");
        var one = Row("one", new ControllabilityResult(1, 0.9, 0.1, double.NaN));
        var two = Row("two", new(1, 0.5, 0.1, 0.1), new(2, 0.5, 0.1, 0.2));
        foreach (BenchRow[] rows in (BenchRow[][])[[none], [one], [none, one], [none, one, two]])
        {
            var lines = new BenchTable(rows).ToMarkdown().Split('\n').Where(line => line.StartsWith('|')).ToArray();
            Assert.Equal(2 + rows.Length, lines.Length);
            Assert.Single(lines.Select(line => line.Replace("\\|", string.Empty, StringComparison.Ordinal).Count(sign => sign == '|')).Distinct());
        }
        var text = new BenchTable([none, two]).ToCsv().TrimEnd('\n').Split('\n');
        Assert.Equal(4, text.Length);
        Assert.StartsWith("\"END, out\",s,\"a \"\"b\"\", c|d\",3,", text[1], StringComparison.Ordinal);
        Assert.Equal(text[0].Count(sign => sign == ','), text[1].Count(sign => sign == ',') - 2);
    }

    [Theory]
    [InlineData(InputNormalization.None)]
    [InlineData(InputNormalization.ConstantNorm)]
    public void All_features_swapped_predict_the_counterfactual_whatever_the_rows_are_normalised_by(InputNormalization normalization)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(1);
        var (task, vocabulary) = Task(true);
        using var model = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 1 }.AddAttention(attention => attention.HeadCount = 2).Build();
        // Predictions differ by prompt; rows after the last norm have one norm, far from sqrt(16).
        foreach (var (name, parameter) in model.named_parameters())
            parameter.mul_(name.Contains("mixer", StringComparison.Ordinal) ? 100 : 10);
        using var clean = task.Draw(60, random);
        using var counterfactual = task.Draw(60, random); // other prompts altogether: more to swap
        using var autoencoder = Parameters.Make(
            parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = 16, FeatureCount = 32, InputNormalization = normalization }, parameters), ScalarType.Float32);
        var axes = cat([eye(16), -eye(16)], 0);
        autoencoder.get_parameter("W_dec")!.copy_(axes);
        autoencoder.get_parameter("W_enc")!.copy_(axes.t());
        var section = new CircuitSection("out", [new("ln_f.out", (int)clean.Positions.size(1) - 1)]);
        var all = ControllabilityTest.Run(model, section, autoencoder, clean, counterfactual, 32).Single();
        Assert.InRange(all.AgreementWithoutEdit, 0, 0.95);
        Assert.Equal(1, all.Agreement);
    }

    private static (ITaskDistribution Task, long VocabSize) Task(bool isIoi) =>
        isIoi ? IoiDataset.WithOwnVocabulary(IoiWords.Small) : GreaterThanTask.WithOwnVocabulary();
}
