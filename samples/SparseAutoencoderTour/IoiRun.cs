using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>R4: a tiny transformer learns indirect object identification; dictionaries of its activations go through the three tests.</summary>
/// <param name="settings">The sizes.</param>
/// <param name="report">Where results go.</param>
/// <param name="seed">Seed of the model, the prompts and the dictionaries.</param>
public sealed class IoiRun(TourSettings settings, Report report, ulong seed)
{
    private static readonly int[] counts = [1, 2, 4, 8];
    private static readonly CircuitSection endOut = new("END-out", [.. Enumerable.Range(0, 3).Select(layer => new CircuitNode($"layers.{layer}.mixer.z", IoiPosition.End))]);
    private static readonly CircuitSection subject = new("S2-resid0", [new("layers.0.resid_post", IoiPosition.S2)]);
    private static readonly CircuitSection residual = new("END-resid1", [new("layers.1.resid_post", IoiPosition.End)]);
    private static readonly CircuitSection lastHeads = new("z.2", [new("layers.2.mixer.z", IoiPosition.End)]);
    private readonly Dictionary<(CircuitNode Node, string Name), IDictionary> parts = [];
    private readonly Dictionary<(string Section, string Name), IDictionary> dictionaries = [];

    /// <summary>Runs it.</summary>
    public void Execute()
    {
        report.Begin(FormattableString.Invariant($"R4: indirect object identification end to end, seed {seed}"));
        using var scope = NewDisposeScope();
        using var random = new Generator(seed + 1);
        var (dataset, vocabSize) = IoiDataset.WithOwnVocabulary(IoiWords.Small);
        using var fitting = dataset.Tokenize(dataset.Draw(settings.FittingPrompts, random));
        var prompts = dataset.Draw(settings.JudgingPrompts, random, [.. Enumerable.Range(0, 20)]);
        using var clean = dataset.Tokenize(prompts);
        using var otherIo = dataset.Tokenize(dataset.Counterfactual(prompts, "io", random, [.. Enumerable.Range(20, 10)]));
        using var otherS = dataset.Tokenize(dataset.Counterfactual(prompts, "s", random, [.. Enumerable.Range(30, 10)]));
        using var unseen = dataset.Tokenize(IoiTrainingTask.HeldOut(dataset, settings.JudgingPrompts, random));
        using var model = IoiModel.Train(dataset, vocabSize, clean.Tokens.size(1), settings.ModelSteps, seed, new Steps(report));
        var (accuracy, unseenAccuracy) = (IoiTrainingTask.Accuracy(model, clean), IoiTrainingTask.Accuracy(model, unseen));
        report.Add(FormattableString.Invariant($"""
            {model.parameters().Sum(parameter => parameter.numel()):N0} parameters, {settings.ModelSteps:N0} steps: accuracy {Of(accuracy, clean)}, on held-out pairs of names {Of(unseenAccuracy, unseen)} of {settings.JudgingPrompts:N0} prompts each (+- one standard error).
            Dictionaries are made from {settings.FittingPrompts:N0} prompts and judged on {settings.JudgingPrompts:N0} others; autoencoders, one for each node, have {settings.FeatureCount} features and {settings.Epochs} epochs;
            k features are swapped in each node, L0 counts those of all nodes.
            """));
        try
        {
            BenchRow[] rows =
            [
                .. Bench(model, endOut, fitting, clean, otherIo, dataset.Attributes[0]),
                .. Bench(model, endOut, fitting, clean, otherS, dataset.Attributes[1]),
                .. Bench(model, subject, fitting, clean, otherS, dataset.Attributes[1]),
                .. Bench(model, residual, fitting, clean, otherIo, dataset.Attributes[0]),
            ];
            report.Add(new BenchTable(rows).ToMarkdown().TrimEnd());
            Interpret(model, fitting, dataset);
            report.Judge([.. IoiVerdict.Windows(accuracy, rows)]);
        }
        finally
        {
            foreach (var dictionary in parts.Values.Concat(dictionaries.Values).Distinct().OfType<IDisposable>())
                dictionary.Dispose();
        }
    }

    private static string Of(double accuracy, IoiBatch batch) => Estimate.OfShare((long)Math.Round(accuracy * batch.Prompts.Count), batch.Prompts.Count, "prompts").Brief();

    private IEnumerable<BenchRow> Bench(LanguageModel model, CircuitSection section, IoiBatch fitting, IoiBatch clean, IoiBatch counterfactual, AttributeBlock attribute)
    {
        using var activations = section.Read(model, fitting);
        using var mean = activations.mean([0L]);
        var bench = new DictionaryBench(model, section, mean, clean, counterfactual, attribute);
        foreach (var (name, make) in Recipes(fitting))
        {
            yield return bench.Run(name, Find(section, name, make, activations), counts);
            report.Say($"{section.Name}, {attribute.Name}: {name}");
        }
    }

    private IDictionary Find(CircuitSection section, string name, Func<Tensor, IDictionary> make, Tensor activations)
    {
        if (!dictionaries.TryGetValue((section.Name, name), out var found))
            dictionaries[(section.Name, name)] = found = name.StartsWith("supervised", StringComparison.Ordinal) ? make(activations) : Join(section, name, make, activations);
        return found;
    }

    // Every node has a dictionary of its own, the same in whichever section the node stands. A supervised fit of a section is already
    // that of its nodes.
    private IDictionary Join(CircuitSection section, string name, Func<Tensor, IDictionary> make, Tensor activations)
    {
        var width = activations.size(1) / section.Nodes.Count;
        foreach (var (index, node) in section.Nodes.Index().Where(entry => !parts.ContainsKey((entry.Item, name))))
        {
            using var own = activations.narrow(1, index * width, width).contiguous();
            parts[(node, name)] = make(own);
        }
        return section.Nodes.Count == 1 ? parts[(section.Nodes[0], name)] : new SectionDictionary([.. section.Nodes.Select(node => parts[(node, name)])]);
    }

    private (string Name, Func<Tensor, IDictionary> Make)[] Recipes(IoiBatch fitting)
    {
        var names = IoiWords.Small.Names.Count;
        AttributeBlock[] blocks = [new("io", [0], [names]), new("s", [1], [names]), new("io_pos", [2], [2])];
        Func<Tensor, IDictionary> Learned(Func<SparseAutoencoderOptions> options) =>
            activations => new AutoencoderRecipe(settings.Epochs, seed).Train(activations, settings.FeatureCount, options());
        return
        [
            (IoiVerdict.SupervisedMean, activations => SupervisedDictionary.Fit(activations, fitting.Attributes, blocks, SupervisedMethod.Mean)),
            (IoiVerdict.Supervised, activations => SupervisedDictionary.Fit(activations, fitting.Attributes, blocks)),
            ("random orthogonal (control)", Control),
            (IoiVerdict.TopK, Learned(() => new TopKOptions { ActiveCount = 3 })),
            ("TopK 8", Learned(() => new TopKOptions { ActiveCount = 8 })),
            (IoiVerdict.TopAfa, Learned(() => TopAfaOptions.Regularised(1 / 32.0, 3e-3))),
            (IoiVerdict.Relu, Learned(() => new VanillaOptions { SparsityCoefficient = 1 })),
            ("ReLU, lambda 0.5", Learned(() => new VanillaOptions { SparsityCoefficient = 0.5 })),
        ];
    }

    private OrthogonalDictionary Control(Tensor activations)
    {
        using var random = new Generator(seed);
        using var mean = activations.mean([0L]);
        return OrthogonalDictionary.Draw(mean, random);
    }

    // Features are scored on the prompts that they were made from, edits on others: the two never share prompts.
    private void Interpret(LanguageModel model, IoiBatch fitting, IoiDataset dataset)
    {
        var lines = new List<string> { "| section | dictionary | IO names with a feature of F1 > 0.8 (> 0.5) | S names |", "|---|---|---|---|" };
        foreach (var section in (CircuitSection[])[lastHeads, subject])
        {
            using var activations = section.Read(model, fitting);
            foreach (var (name, make) in Recipes(fitting).Where(recipe => recipe.Name is IoiVerdict.TopK or "TopK 8" or IoiVerdict.TopAfa or IoiVerdict.Relu))
            {
                var batch = new ActivationBatch(activations, fitting.Attributes);
                var dictionary = Find(section, name, make, activations);
                var cells = dataset.Attributes.Take(2).Select(block => InterpretabilityTest.Run(dictionary, batch, block, 0.8, 0.5)).Select(found => $"{found[0].ValueCount} ({found[1].ValueCount})");
                lines.Add($"| {section.Name} | {name} | {string.Join(" | ", cells)} |");
            }
        }
        report.Add(string.Join('\n', lines));
    }

    private sealed class Steps(Report report) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value)
        {
            if (value.Step % 100 == 0)
                report.Say($"step {value.Step:N0} of {value.TotalSteps:N0}, loss {value.Loss:F4}");
        }
    }
}
