using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>Passkey retrieval over 23 ids, and rows to learn it from.</summary>
internal static class PasskeyVocabulary
{
    /// <summary>Digits, words of the filler, what announces a key, what asks for it, and the beginning.</summary>
    internal const int Size = 23;

    /// <summary>Tokens of an answer.</summary>
    internal const int AnswerLength = 4;

    private const double Others = 0.2; // what the mean loss of all other tokens counts

    /// <summary>The task.</summary>
    internal static PasskeyTokens Task { get; } = new(new PasskeyTokensOptions
    {
        Digits = [.. Enumerable.Range(0, 10)],
        Filler = [.. Enumerable.Range(10, 10)],
        Key = 20,
        Query = 21,
        Begin = 22,
        DigitCount = AnswerLength,
    });

    /// <summary>Trains a model on it: every second batch at the trained length, the others at a random one from 20 on.</summary>
    /// <returns>Steps that were done.</returns>
    internal static int Train(LanguageModel model, int trained, int steps, int batchSize, ExperimentSetting setting, CancellationToken cancellation)
    {
        const double Enough = 2e-4;
        var made = 0;
        using var task = new RowTask(model, setting.Seed, random =>
        {
            var length = trained;
            if (made++ % 2 == 1)
                length = (int)randint(20, trained + 1, [1], dtype: ScalarType.Int64, generator: random).item<long>();
            var prompts = Enumerable.Range(0, batchSize).Select(_ => Task.Make(length - AnswerLength, 1, null, random)).ToArray();
            var tokens = tensor(prompts.SelectMany(prompt => prompt.Tokens.Concat(prompt.Answer.Value)).Select(token => (long)token).ToArray(), [batchSize, length]);
            var counted = zeros_like(tokens, dtype: ScalarType.Bool);
            counted.narrow(1, length - AnswerLength, AnswerLength).fill_(true);
            return new TrainingRows(tokens, counted, Others);
        });
        var options = new TrainingOptions { Steps = steps, LearningRate = 3e-3, WarmupSteps = Math.Min(100, steps / 2), WeightDecay = 0.01, FinalShare = 0.1 };
        return task.Train(options, losses => losses[^1] < Enough, setting.Progress, cancellation).Count;
    }
}
