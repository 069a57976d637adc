namespace LmKit.Experiments;

/// <summary>The same diagnosis and the same passkeys where one of two mixers is an H3, whose state is not bounded by a window.</summary>
internal sealed class HybridExperiment : Experiment
{
    private const int Trained = 64;
    private const long Starts = 4;

    private static readonly (string Name, bool HasRotary, Action<LanguageModelBuilder>? Mixers)[] models =
    [
        ("attention twice, rotary", true, null),
        ("H3, attention with rotary", true, builder => builder.AddH3(h3 => h3.StateDim = 64, layers: [0])),
        ("H3, attention without positions", false, builder => builder.AddH3(h3 => h3.StateDim = 64, layers: [0]).AddNoPositions()),
    ];

    internal override string Name => "longcontext-hybrid";

    internal override string Title => "H3 hybrids beyond the trained length";

    internal override string Description =>
        "The model of two layers, width 64, with attention in both, and with an H3 of 64 states in the first and attention, with rotary positions or without any, in the second. Each is trained on windows of 64 bytes of the SDK's reference " +
        "documentation and diagnosed on 12 stretches of 1,024 held-out bytes (L = D = 60, G = 4), and, anew, on passkeys of 64 tokens and asked at longer ones. Nothing was published or measured before; what is expected, and held against the figures: the hybrids' " +
        "vanilla loss grows less beyond the trained length than the transformer's; without positions the mask alone is Lambda to rounding; under Lambda a hybrid answers at least as many passkeys at twice the trained length as the transformer.";

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation)
    {
        var recipe = setting.IsToy ? new LengthRecipe(4, 4, 256, 2, 100_000) : new LengthRecipe(600, 32, 1_024, 12, int.MaxValue);
        var text = new ByteText(recipe.TextLimit);
        var runs = models.Select(model => Measure(model, text, recipe, setting, cancellation)).ToArray();
        var (plain, rotary, free) = (runs[0], runs[1], runs[2]);
        Finding[] findings =
        [
            new("vanilla's growth, hybrid with rotary less transformer, nats", Growth(rotary) - Growth(plain), High: 0),
            new("vanilla's growth, hybrid without positions less transformer, nats", Growth(free) - Growth(plain), High: 0),
            new("mask only from Lambda without positions, nats", Math.Abs(free.Diagnosis.Losses(LengthPolicy.MaskOnly).Over(free.Diagnosis.Losses(LengthPolicy.Lambda), free.Diagnosis.Last.From).Value), High: 1e-4),
            new($"passkeys at {2 * Trained} under Lambda, hybrid with rotary less transformer", Recall(rotary) - Recall(plain), Low: 0),
            new($"passkeys at {2 * Trained} under Lambda, hybrid without positions less transformer", Recall(free) - Recall(plain), Low: 0),
        ];
        var buckets = plain.Diagnosis.Losses(LengthPolicy.Vanilla).Buckets;
        ResultTable[] tables =
        [
            new("Loss by position, nats a byte, +- one standard error over pieces of 256 positions", ["model", "policy", .. buckets.Select(bucket => bucket.Name)],
                [.. runs.SelectMany(run => run.Diagnosis.Readings.Select(reading => (string[])[run.Name, $"{reading.Policy}", .. reading.Losses.Buckets.Select(bucket => bucket.Loss.Brief())]))]),
            new("What fails, by the diagnosis", ["model", "factor", "fails", "costs, nats a token"],
                [.. runs.SelectMany(run => run.Diagnosis.Factors.Select(factor => (string[])[run.Name, $"{factor.Factor}", factor.Fails ? "yes" : "no", factor.Cost.Brief()]))]),
            new("Share of right passkeys", ["model", "policy", .. plain.Passkeys[0].Result.Lengths.Select(length => $"{length + PasskeyVocabulary.AnswerLength}")],
                [.. runs.SelectMany(run => run.Passkeys.Select(passkey => (string[])[run.Name, passkey.Policy, .. passkey.Result.Lengths.Select(length => passkey.Result.Accuracy(length).Brief())]))]),
        ];
        var curves = runs.SelectMany(run => new[] { LengthPolicy.Vanilla, LengthPolicy.Lambda }.Select(policy => ($"{run.Name}: {policy}", run.Diagnosis.Losses(policy)))).ToArray();
        return new ExperimentResult(tables, findings, DiagnosisTables.Plot("Loss by position", curves));
    }

    private static double Growth(HybridRun run) => run.Diagnosis.Last.Loss.Value - run.Diagnosis.InRange.Loss.Value;

    private static double Recall(HybridRun run) => run.Passkeys[^1].Result.Accuracy(2 * Trained - PasskeyVocabulary.AnswerLength).Value;

    private static HybridRun Measure((string Name, bool HasRotary, Action<LanguageModelBuilder>? Mixers) wanted, ByteText text, LengthRecipe recipe, ExperimentSetting setting, CancellationToken cancellation)
    {
        setting.Progress.Report($"{wanted.Name}: language");
        LengthDiagnosisResult diagnosis;
        using (var model = ShortModel.Build(ByteText.VocabSize, setting.Seed, wanted.Mixers))
        {
            using (var task = new RowTask(model, setting.Seed, random => new TrainingRows(text.Windows(Trained, recipe.BatchSize, random))))
                task.Train(recipe.Training, null, setting.Progress, cancellation);
            diagnosis = LengthDiagnosis.Run(model, text.Stretches(recipe.TextCount, recipe.TextLength), Trained, new LengthDiagnosisOptions { PrefixToken = ByteText.Begin, BatchSize = recipe.TextCount }, cancellation);
        }
        setting.Progress.Report($"{wanted.Name}: passkeys");
        return new HybridRun(wanted.Name, diagnosis, Passkeys(wanted, setting, cancellation));
    }

    private static List<(string Policy, PasskeyResult Result)> Passkeys((string Name, bool HasRotary, Action<LanguageModelBuilder>? Mixers) wanted, ExperimentSetting setting, CancellationToken cancellation)
    {
        var (steps, batch, count, lengths) = setting.IsToy ? (3, 4, 4, new[] { 64, 128 }) : (800, 32, 100, new[] { 64, 96, 128, 256 });
        var results = new List<(string Policy, PasskeyResult Result)>();
        var model = ShortModel.Build(PasskeyVocabulary.Size, setting.Seed, wanted.Mixers);
        try
        {
            setting.Progress.Report($"trained {PasskeyVocabulary.Train(model, Trained, steps, batch, setting, cancellation)} steps");
            foreach (var policy in new[] { LongPolicy.Vanilla, LongPolicy.Window(Trained), LongPolicy.Lambda(Trained, Starts) })
            {
                model = policy.Apply(model, wanted.HasRotary);
                results.Add((policy.Name, Passkey.Run(model, PasskeyVocabulary.Task, new PasskeyOptions { Lengths = [.. lengths.Select(length => (long)length - PasskeyVocabulary.AnswerLength)], SampleCount = count, Seed = (ulong)setting.Seed + 1, BatchSize = 25 }, cancellation)));
            }
        }
        finally
        {
            model.Dispose();
        }
        return results;
    }
}

/// <summary>What was measured on one of the models.</summary>
/// <param name="Name">Its mixers.</param>
/// <param name="Diagnosis">Loss and attention by policy.</param>
/// <param name="Passkeys">Passkeys by policy, Lambda last.</param>
internal sealed record HybridRun(string Name, LengthDiagnosisResult Diagnosis, IReadOnlyList<(string Policy, PasskeyResult Result)> Passkeys);
