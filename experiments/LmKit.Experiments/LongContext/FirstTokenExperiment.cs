using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>A key in the first tokens, asked for at any length: what starting tokens are kept for.</summary>
internal sealed class FirstTokenExperiment : Experiment
{
    private const int Trained = 64;
    private const int KeyCount = 16;
    private const int NoiseCount = 24;
    private const int Begin = KeyCount + NoiseCount;
    private const int Ask = Begin + 1;
    private const double Enough = 1e-3; // of the answers' loss,
    private const int InARow = 50;      // so many times in a row

    internal override string Name => "longcontext-first-token";

    internal override string Title => "A key among the first tokens at 1 to 16 times the trained length";

    internal override string Description =>
        "A beginning, one of 16 keys, noise of 24 symbols, a question, and the key is the answer, the only token that is learned. A LLaMA-style model of two layers, width 64, is trained with the question at a " +
        "random place of 2 to 62 until 50 losses in a row are below 0.001, and asked at the end of longer texts, 200 times a length. The key is the second token, so that a mask keeps it from G = 2 on. " +
        "Measured before at this scale: G = 2 and the ceiling alone 1.00 throughout, G = 0 and 1 and the window alone at chance (0.06) beyond the window, vanilla 0.12 at 1,024. " +
        "Must hold at 1,024: G = 2 at least 0.98, G = 0, G = 1 and the window alone within 0.15 of chance.";

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation)
    {
        var (steps, batch, count, lengths) = setting.IsToy ? (3, 4, 8, new[] { 64, 128 }) : (1_000, 32, 200, new[] { 64, 128, 256, 512, 1_024 });
        var model = ShortModel.Build(Ask + 1, setting.Seed);
        try
        {
            using (var task = new RowTask(model, setting.Seed, random => Rows(batch, random)))
            {
                var options = new TrainingOptions { Steps = steps, LearningRate = 2e-3, WarmupSteps = Math.Min(100, steps / 2), WeightDecay = 0.01, FinalShare = 0.1 };
                var losses = task.Train(options, all => all.Count >= InARow && all.TakeLast(InARow).All(loss => loss < Enough), setting.Progress, cancellation);
                setting.Progress.Report($"trained {losses.Count} steps");
            }
            LongPolicy[] policies =
            [
                LongPolicy.Vanilla, LongPolicy.CeilingOnly(Trained), LongPolicy.Window(Trained), LongPolicy.Lambda(Trained, 0), LongPolicy.Lambda(Trained, 1), LongPolicy.Lambda(Trained, 2),
                LongPolicy.Lambda(Trained, 10), LongPolicy.Streaming(4, Trained - 4), LongPolicy.Ntk(lengths[^1] / Trained),
            ];
            var measured = new Dictionary<string, Estimate[]>();
            foreach (var policy in policies)
            {
                model = policy.Apply(model);
                using var random = new Generator((ulong)setting.Seed + 1);
                measured[policy.Name] = [.. lengths.Select(length => Accuracy(model, length, count, random, cancellation))];
            }
            return Result(measured, lengths);
        }
        finally
        {
            model.Dispose();
        }
    }

    private static ExperimentResult Result(Dictionary<string, Estimate[]> measured, int[] lengths)
    {
        const double Chance = 1.0 / KeyCount;
        List<Finding> findings = [new("Lambda G = 2 at the greatest length", measured["Lambda G = 2"][^1].Value, Low: 0.98)];
        foreach (var name in new[] { "Lambda G = 0", "Lambda G = 1", "window only" })
            findings.Add(new($"{name} from chance at the greatest length", Math.Abs(measured[name][^1].Value - Chance), High: 0.15));
        var table = new ResultTable("Share of right answers", ["policy", .. lengths.Select(length => $"{length}")], [.. measured.Select(row => (string[])[row.Key, .. row.Value.Select(share => share.Brief())])]);
        var plot = new ResultPlot("Right answers by length", "tokens, log2", "share", [.. measured.Select(row => (row.Key, lengths.Select(length => Math.Log2(length)).ToArray(), row.Value.Select(share => share.Value).ToArray()))]);
        return new ExperimentResult([table], findings, plot);
    }

    // Rows of the trained length; what stands behind an answer is noise that nobody scores.
    private static TrainingRows Rows(long batch, Generator random)
    {
        var places = randint(2, Trained - 1, [batch, 1], dtype: ScalarType.Int64, generator: random);
        var (tokens, keys) = Texts(batch, Trained, random);
        tokens = tokens.scatter(1, places, full_like(places, Ask)).scatter(1, places + 1, keys);
        var counted = zeros_like(tokens, dtype: ScalarType.Bool).scatter(1, places + 1, ones_like(places, dtype: ScalarType.Bool));
        return new TrainingRows(tokens, counted);
    }

    // Beginning, key, noise: (B, L), and the keys (B, 1).
    private static (Tensor Tokens, Tensor Keys) Texts(long batch, long length, Generator random)
    {
        var keys = randint(0, KeyCount, [batch, 1], dtype: ScalarType.Int64, generator: random);
        var noise = randint(KeyCount, KeyCount + NoiseCount, [batch, length - 2], dtype: ScalarType.Int64, generator: random);
        return (cat([full_like(keys, Begin), keys, noise], 1), keys);
    }

    private static Estimate Accuracy(LanguageModel model, int length, int count, Generator random, CancellationToken cancellation)
    {
        const int BatchSize = 25;
        long hits = 0;
        using var frozen = no_grad();
        for (var start = 0; start < count; start += BatchSize)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = Math.Min(BatchSize, count - start);
            var (tokens, keys) = Texts(batch, length - 2, random);
            var logits = model.Logits(model.Hidden(cat([tokens, full_like(keys, Ask)], 1)).select(1, -1)); // the answer would be token `length`
            hits += logits.argmax(-1, keepdim: true).eq(keys).sum().item<long>();
        }
        return Estimate.OfShare(hits, count, "questions");
    }
}
