using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>Language modelling beyond the trained length under every policy (Han et al. 2024, table 1 and figure 5, at small scale).</summary>
internal sealed class LengthExperiment : Experiment
{
    private const int Trained = 64;
    private const string WithinTrained = "Lambda G = 10, L = D = 54";

    internal override string Name => "longcontext-length";

    internal override string Title => "Language modelling at 1 to 32 times the trained length";

    internal override string Description =>
        "A LLaMA-style model of two layers, width 64, two heads, is trained on windows of 64 tokens (a token of beginning and bytes of the SDK's reference documentation, whole files held " +
        "out) and read on 12 stretches of 2,048 held-out bytes. Published at small scale (tiny Shakespeare, in range 1.87 nats): at 16 times the trained length vanilla 3.48, ceiling only 2.45, mask only " +
        "2.38, both 1.71. What must hold, all in the last bucket (16 to 32 times): vanilla is 1.0 nat above its loss in range; the ceiling alone is 0.3 and the mask alone " +
        "0.2 above both together; both together differ from re-encoding the last tokens for every token by 0.03 at most, and are no worse than in range where no query attends to more tokens than in training (L = D = 54, G = 10); at L = 64, where up to 74 are attended to, no more than 0.03 worse. In range is the loss of the same bytes " +
        "(those of the last bucket) predicted from positions 32-63 of windows of 64: the bucket 32-63 of the table is other and less text, which differs by more than what is compared. " +
        "Losses in nats a byte, +- one standard error over pieces of 256 positions.";

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation)
    {
        var recipe = setting.IsToy ? new LengthRecipe(4, 4, 256, 2, 100_000) : new LengthRecipe(1_500, 32, 2_048, 12, int.MaxValue);
        var text = new ByteText(recipe.TextLimit);
        var model = ShortModel.Build(ByteText.VocabSize, setting.Seed);
        try
        {
            using (var task = new RowTask(model, setting.Seed, random => new TrainingRows(text.Windows(Trained, recipe.BatchSize, random))))
                task.Train(recipe.Training, null, setting.Progress, cancellation);
            var texts = text.Stretches(recipe.TextCount, recipe.TextLength);
            setting.Progress.Report("trained; now the diagnosis");
            var diagnosis = LengthDiagnosis.Run(model, texts, Trained, new LengthDiagnosisOptions { LocalLength = Trained, GlobalLength = 10, PrefixToken = ByteText.Begin, BatchSize = recipe.TextCount }, cancellation);
            var rows = new List<(string Name, LengthLosses Losses)>(diagnosis.Readings.Select(reading => (Named(reading.Policy), reading.Losses)));
            foreach (var (name, change) in Others(recipe.TextLength + 1))
            {
                setting.Progress.Report(name);
                model = model.With(builder => change(builder.AddRotary().AddCausalMask()));
                rows.Add((name, LengthReader.Read(model, texts, new LengthReaderOptions { PrefixToken = ByteText.Begin, BatchSize = recipe.TextCount, Edges = diagnosis.Edges }, cancellation)));
            }
            model = model.With(builder => Lambda(builder.AddRotary(), 10, Trained));
            var again = ReEncoded.Compare(model, texts, Trained, cancellation);
            var inRange = LengthReader.Read(model, ByteText.Halves(texts, diagnosis.Last.From, Trained), new LengthReaderOptions { PrefixToken = ByteText.Begin, BatchSize = 64, Edges = [Trained / 2] }, cancellation).Buckets[^1];
            return Result(diagnosis, rows, again, inRange.Loss);
        }
        finally
        {
            model.Dispose();
        }
    }

    private static ExperimentResult Result(LengthDiagnosisResult diagnosis, List<(string Name, LengthLosses Losses)> rows, ReEncoded again, Estimate inRange)
    {
        var last = diagnosis.Last.From;
        var (vanilla, both) = (diagnosis.Losses(LengthPolicy.Vanilla), diagnosis.Losses(LengthPolicy.Lambda));
        Finding[] findings =
        [
            new("vanilla over its loss in range, nats", diagnosis.Last.Loss.Value - inRange.Value, Low: 1.0),
            new("ceiling only over Lambda G = 10, nats", diagnosis.Losses(LengthPolicy.CeilingOnly).Over(both, last).Value, Low: 0.3),
            new("mask only over Lambda G = 10, nats", diagnosis.Losses(LengthPolicy.MaskOnly).Over(both, last).Value, Low: 0.2),
            new($"Lambda G = 10 from re-encoding, nats over {again.Count} tokens", Math.Abs(again.Lambda - again.Encoded), High: 0.03),
            new("tokens of that comparison", again.Count, Low: 1_000),
            new("Lambda G = 10, L = D = 54 over the loss in range, nats", rows.Single(row => row.Name == WithinTrained).Losses.Buckets[^1].Loss.Value - inRange.Value, High: 0),
            new("Lambda G = 10, L = D = 64 over the loss in range, nats", both.Buckets[^1].Loss.Value - inRange.Value, High: 0.03),
            new("rows of attention below the entropy's bound ln n - 2 B", diagnosis.KeepsEntropyLaw ? 0 : 1, High: 0),
        ];
        var buckets = vanilla.Buckets;
        var losses = new ResultTable("Loss by position", ["policy", .. buckets.Select(bucket => bucket.Name)], [.. rows.Select(row => (string[])[row.Name, .. row.Losses.Buckets.Select(bucket => bucket.Loss.Brief())])]);
        var encoded = new ResultTable(
            "Every eighth token from 128 on read anew with the last 64, the same tokens reading on; and in range the bytes of the last bucket (+- one standard error)",
            ["re-encoding", "Lambda G = 10", "in range"],
            [[FormattableString.Invariant($"{again.Encoded:F4}"), FormattableString.Invariant($"{again.Lambda:F4}"), inRange.Brief()]]);
        return new ExperimentResult([losses, encoded, DiagnosisTables.Factors(diagnosis), DiagnosisTables.Attention(diagnosis)], findings, DiagnosisTables.Plot("Loss by position", rows));
    }

    private static IEnumerable<(string Name, Func<LanguageModelBuilder, LanguageModelBuilder> Change)> Others(int length)
    {
        double factor = length / Trained;
        yield return ("Lambda G = 1", builder => Lambda(builder, 1, Trained));
        yield return ("Lambda G = 4", builder => Lambda(builder, 4, Trained));
        yield return (WithinTrained, builder => Lambda(builder, 10, Trained - 10));
        yield return ($"StreamingLLM 4 + {Trained - 4}", builder => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (4, Trained - 4)));
        yield return ("position interpolation", builder => builder.AddRotary(rotary => rotary.Scaling = new LinearRotaryScaling { Factor = factor }));
        yield return ("NTK", builder => builder.AddRotary(rotary => rotary.Scaling = new NtkRotaryScaling { Factor = factor }));
        yield return ("YaRN", builder => builder.AddRotary(rotary => rotary.Scaling = new YarnRotaryScaling { Factor = factor, OriginalLength = Trained }));
    }

    private static LanguageModelBuilder Lambda(LanguageModelBuilder builder, long starts, long window) => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (window, starts));

    private static string Named(LengthPolicy policy) => policy switch
    {
        LengthPolicy.Vanilla => "vanilla",
        LengthPolicy.CeilingOnly => "ceiling only",
        LengthPolicy.MaskOnly => "mask only, G = 10",
        LengthPolicy.WindowOnly => "window only",
        _ => "Lambda G = 10",
    };
}

/// <summary>Sizes of the length comparison.</summary>
internal sealed record LengthRecipe(long Steps, long BatchSize, int TextLength, int TextCount, int TextLimit)
{
    /// <summary>The published recipe.</summary>
    internal TrainingOptions Training => new() { Steps = Steps, LearningRate = 3e-3, WarmupSteps = Math.Min(100, Steps / 4), Beta2 = 0.99, WeightDecay = 0.1, FinalShare = 0.1 };
}
