namespace LmKit.Experiments;

/// <summary>Retrieval of a hidden key beyond the trained length, with and without the middle (Han et al. 2024, section 5.3, at small scale).</summary>
internal sealed class PasskeyExperiment : Experiment
{
    private const int Trained = 64;
    private const long Starts = 4;

    internal override string Name => "longcontext-passkey";

    internal override string Title => "Passkey retrieval at 1 to 16 times the trained length";

    internal override string Description =>
        "A beginning, ten words again and again with a key of four different digits at a random place, a question, the key. A LLaMA-style model of two layers, width 64, is trained at 64 tokens (every second batch at 20 to 64) on the " +
        "loss of the answer and a fifth of that of the rest, until the answer's is below 0.0002, and asked 100 times a length (50 times at 1,024), L = D = 64, G = 4. A prompt is read in chunks, question and answer token by token. " +
        "Measured before at this scale, at 1,024: vanilla 0.00, NTK 0.30, ceiling only 0.42, Lambda 0.06, Lambda with the best 1, 5 or 20 keys of the middle 1.00. Must hold at 1,024: with the middle at least 0.95, without it at most " +
        "0.15, vanilla at most 0.3.";

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation)
    {
        var (steps, batch, count, lengths) = setting.IsToy ? (3, 4, 4, new long[] { 64, 128 }) : (1_200, 32, 100, new long[] { 64, 128, 256, 512, 1_024 });
        var model = ShortModel.Build(PasskeyVocabulary.Size, setting.Seed);
        try
        {
            var trained = PasskeyVocabulary.Train(model, Trained, steps, batch, setting, cancellation);
            setting.Progress.Report($"trained {trained} steps");
            var measured = new Dictionary<string, PasskeyResult>();
            foreach (var policy in Policies(lengths[^1]))
            {
                setting.Progress.Report(policy.Name);
                model = policy.Apply(model);
                measured[policy.Name] = Ask(model, lengths, count, setting, cancellation);
            }
            return Result(measured, lengths);
        }
        finally
        {
            model.Dispose();
        }
    }

    private static LongPolicy[] Policies(long longest) =>
        [LongPolicy.Vanilla, LongPolicy.Ntk(longest / (double)Trained), LongPolicy.CeilingOnly(Trained), LongPolicy.Window(Trained), LongPolicy.Streaming(Starts, Trained - Starts), LongPolicy.Lambda(Trained, Starts),
        LongPolicy.Middle(Trained, Starts, 1), LongPolicy.Middle(Trained, Starts, 5), LongPolicy.Middle(Trained, Starts, 20)];

    private static PasskeyResult Ask(LanguageModel model, long[] lengths, int count, ExperimentSetting setting, CancellationToken cancellation)
    {
        var answers = new List<PasskeyAnswer>();
        foreach (var length in lengths)
        {
            // The length of a text is that of prompt and answer.
            var options = new PasskeyOptions { Lengths = [length - PasskeyVocabulary.AnswerLength], SampleCount = length > 512 ? count / 2 : count, Seed = (ulong)setting.Seed + 1, BatchSize = 25 };
            answers.AddRange(Passkey.Run(model, PasskeyVocabulary.Task, options, cancellation).Answers.Select(answer => answer with { Length = length }));
        }
        return new PasskeyResult(answers);
    }

    private static ExperimentResult Result(Dictionary<string, PasskeyResult> measured, long[] lengths)
    {
        var longest = lengths[^1];
        Finding[] findings =
        [
            new("Lambda without the middle at the greatest length", measured[$"Lambda G = {Starts}"].Accuracy(longest).Value, High: 0.15),
            new("Lambda with the best 5 keys of the middle at the greatest length", measured[LongPolicy.Middle(Trained, Starts, 5).Name].Accuracy(longest).Value, Low: 0.95),
            new("vanilla at the greatest length", measured["vanilla"].Accuracy(longest).Value, High: 0.3),
        ];
        var table = new ResultTable("Share of right answers", ["policy", .. lengths.Select(length => $"{length}")], [.. measured.Select(row => (string[])[row.Key, .. lengths.Select(length => row.Value.Accuracy(length).Brief())])]);
        var depths = new ResultTable(
            $"Share of right answers at {longest} tokens, by depth of the key (0 at the beginning)",
            ["policy", "0-0.2", "0.2-0.4", "0.4-0.6", "0.6-0.8", "0.8-1"],
            [.. measured.Select(row => (string[])[row.Key, .. row.Value.ByDepth(longest, 5).Select(share => share?.Brief() ?? "")])]);
        var plot = new ResultPlot("Right answers by length", "tokens, log2", "share", [.. measured.Select(row => (row.Key, lengths.Select(length => Math.Log2(length)).ToArray(), lengths.Select(length => row.Value.Accuracy(length).Value).ToArray()))]);
        return new ExperimentResult([table, depths], findings, plot);
    }
}
