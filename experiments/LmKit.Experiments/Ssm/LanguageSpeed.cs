using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>What a model costs at a context length.</summary>
/// <param name="Context">Tokens before the measured ones.</param>
/// <param name="TrainingTokens">Tokens a second of forward and backward at this window length, batch 1.</param>
/// <param name="TrainingBytes">Peak memory of that beside the model, or null where it cannot be measured.</param>
/// <param name="DecodedTokens">Tokens a second after this context, batch 1, median of the steps.</param>
/// <param name="StateBytes">What the state holds after this context.</param>
internal sealed record LanguageSpeed(long Context, double TrainingTokens, long? TrainingBytes, double DecodedTokens, long StateBytes)
{
    private const int Repeats = 3;

    /// <summary>Measures a model at a context.</summary>
    internal static LanguageSpeed Of(LanguageModel model, long context, int decoded)
    {
        using var random = new Generator(1);
        using var tokens = randint(0, model.VocabSize, [1, context], dtype: ScalarType.Int64, generator: random);
        var peak = PeakMemory.Of(() => TrainingStep(model, tokens));
        var training = Median(Enumerable.Range(0, Repeats).Select(_ => Time(() => TrainingStep(model, tokens))));
        var (step, bytes) = Decode(model, tokens, decoded);
        return new LanguageSpeed(context, context / training, peak, 1 / step, bytes);
    }

    private static void TrainingStep(LanguageModel model, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        model.train();
        model.zero_grad();
        var loss = NextTokenLoss.Of(model, tokens);
        (loss.Sum / loss.Count).Backward();
        model.eval();
    }

    private static (double Seconds, long StateBytes) Decode(LanguageModel model, Tensor tokens, int decoded)
    {
        using var frozen = no_grad();
        using var state = model.NewState(1);
        var context = new SequenceContext(state);
        model.Hidden(tokens, context).Dispose();
        var times = Enumerable.Range(0, decoded).Select(_ => Time(() =>
        {
            using var scope = NewDisposeScope();
            model.Logits(model.Hidden(tokens.narrow(1, 0, 1), context)).Dispose();
        })).ToArray();
        return (Median(times.Skip(decoded / 4)), state.Tensors.Values.Sum(tensor => tensor.numel() * tensor.dtype.ElementSize()));
    }

    private static double Time(Action action)
    {
        var start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(IEnumerable<double> values)
    {
        var ordered = values.Order().ToArray();
        return ordered[ordered.Length / 2];
    }
}
