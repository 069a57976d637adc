using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>R2: which autoencoders find the features that synthetic activations are made of?</summary>
/// <param name="settings">The sizes.</param>
/// <param name="report">Where results go.</param>
/// <param name="seed">Seed of the features, the samples and the autoencoders.</param>
public sealed class RecoveryRun(TourSettings settings, Report report, ulong seed)
{
    private const int FeatureCount = 128;
    private const int ModelDim = 64;
    private const int SampleCount = 4_096;

    private sealed record Recipe(string Name, Func<SparseAutoencoderOptions> Options, long BatchSize, double ExpectedActive, double LeastRecovered = 0, double MostRecovered = 1);

    /// <summary>Runs it.</summary>
    public void Execute()
    {
        report.Begin(FormattableString.Invariant($"R2: recovery of synthetic features, seed {seed}"));
        using var scope = NewDisposeScope();
        using var random = new Generator(seed);
        using var features = SyntheticFeatures.Make(FeatureCount, ModelDim, random);
        var (activations, codes) = features.Draw(SampleCount, random);
        var lines = new List<string> { "| autoencoder | nmse | L0 | corr(L0, true count) | MMCS | recovered > 0.9 | precision | recall |", "|---|---|---|---|---|---|---|---|" };
        var windows = new List<Window>();
        foreach (var recipe in Recipes())
        {
            using var autoencoder = Train(recipe, features);
            var found = FeatureRecovery.Of(autoencoder, features.Directions, activations, codes);
            lines.Add(FormattableString.Invariant($"| {recipe.Name} | {found.NormalizedError:F3} | {found.ActiveCount:F1} | {found.CountCorrelation:F2} | {found.MaxCosine:F3} | {found.Recovered:F3} | {found.Precision:F2} | {found.Recall:F2} |"));
            report.Say($"{recipe.Name}: L0 {found.ActiveCount:F1}, recovered {found.Recovered:F3}");
            windows.Add(Window.Near($"{recipe.Name}: L0", found.ActiveCount, recipe.ExpectedActive, recipe.ExpectedActive / 4));
            if (recipe.LeastRecovered > 0)
                windows.Add(Window.AtLeast($"{recipe.Name}: recovered", found.Recovered, recipe.LeastRecovered));
            if (recipe.MostRecovered < 1)
                windows.Add(Window.Near($"{recipe.Name}: recovered", found.Recovered, 0, recipe.MostRecovered));
        }
        report.Add(string.Join('\n', lines));
        report.Judge(windows);
    }

    private static Recipe[] Recipes() =>
    [
        new("TopK 4", () => Official(new TopKOptions { ActiveCount = 4 }), 512, 4, LeastRecovered: 0.93),
        new("TopK 32", () => Official(new TopKOptions { ActiveCount = 32 }), 512, 32),
        new("BatchTopK 4", () => Official(new BatchTopKOptions { ActiveCount = 4 }), 512, 4, LeastRecovered: 0.93),
        new("top-AFA, afa 0", () => Plain(0), 512, 58, MostRecovered: 0),
        new("top-AFA, afa 1/32", () => Plain(1 / 32.0), 512, 96, MostRecovered: 0),
        new("top-AFA, afa 1/4", () => Plain(0.25), 512, 80, MostRecovered: 0),
        new("top-AFA + L1 + bias, l1 6e-3", () => TopAfaOptions.Regularised(1 / 32.0, 6e-3), 256, 9.3, LeastRecovered: 0.85),
        new("top-AFA + L1 + bias, l1 1e-2", () => TopAfaOptions.Regularised(1 / 32.0, 1e-2), 256, 7.4, LeastRecovered: 0.85),
    ];

    private static TopAfaOptions Plain(double coefficient)
    {
        var options = Official(TopAfaOptions.Official(coefficient));
        options.AfaCoefficient = coefficient;
        return options;
    }

    // The first paper's classes, without standardising inputs.
    private static T Official<T>(T options)
        where T : SparseAutoencoderOptions
    {
        (options.UsesEncoderBias, options.InputNormalization) = (false, InputNormalization.None);
        (options.Initialization, options.Reconstruction, options.Constraint) = (AutoencoderInitialization.ScaledEncoder, ReconstructionLoss.NormalizedMean, DecoderConstraint.UnitRowsBeforeStep);
        (options.AuxiliaryCoefficient, options.Auxiliary, options.AuxiliaryCount) = (1 / 32.0, AuxiliaryKind.Residual, 64);
        return options;
    }

    private SparseAutoencoder Train(Recipe recipe, SyntheticFeatures features)
    {
        using var random = new Generator(seed + 7);
        var options = recipe.Options();
        (options.ModelDim, options.FeatureCount) = (ModelDim, FeatureCount);
        var parameters = new ParameterFactory(random);
        SparseAutoencoder autoencoder = options switch
        {
            TopKOptions topK => new TopKAutoencoder(topK, parameters),
            BatchTopKOptions batchTopK => new BatchTopKAutoencoder(batchTopK, parameters),
            _ => new TopAfaAutoencoder((TopAfaOptions)options, parameters),
        };
        using var task = AutoencoderTask.OnBatches(autoencoder, Batches(features, recipe.BatchSize, random), new()
        {
            Steps = settings.SyntheticSteps,
            LearningRate = 1e-3,
            DecayShare = 0.2,
            DeadHorizon = 20,
            MaxGradientNorm = 0,
        });
        using var trainer = new Trainer(task);
        trainer.Run();
        return autoencoder;
    }

    private static IEnumerable<Tensor> Batches(SyntheticFeatures features, long size, Generator random)
    {
        while (true)
        {
            var (activations, codes) = features.Draw(size, random);
            codes.Dispose();
            yield return activations;
        }
    }
}
