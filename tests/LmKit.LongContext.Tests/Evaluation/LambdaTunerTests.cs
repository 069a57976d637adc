using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

[NoTensorLeak]
public class LambdaTunerTests
{
    private const long Trained = 64;
    private const long KeyBytes = 2 * 2 * 2 * sizeof(double); // key and value, 2 heads of 2 numbers

    [Fact]
    public void The_choice_has_the_lowest_loss_of_those_within_the_budget_and_is_made_the_same_way_twice()
    {
        using var model = Model();
        var first = LambdaTuner.Run(model, Texts(), Trained, 1 << 20, Options(8));
        var again = LambdaTuner.Run(model, Texts(), Trained, 1 << 20, Options(8));

        Assert.Equal(first.Trials.Where(trial => trial.Fits).Min(trial => trial.Loss.Value), first.Best.Loss.Value);
        Assert.Equal(first.Trials, again.Trials);
        Assert.Equal(first.Best, again.Best);
        Assert.Equal([64, 48, 32, 16], first.Trials.Where(trial => trial.GlobalLength == 2 && trial.DistanceCeiling == trial.LocalLength).Select(trial => trial.LocalLength));
        Assert.Contains(first.Trials, trial => trial.GlobalLength == 0);
        Assert.True(first.Best.GlobalLength == 0 || first.Trials.Any(trial => trial.DistanceCeiling != trial.LocalLength));
        Assert.Equal(1, first.ToMarkdown().Split("| best |").Length - 1);
        var chosen = new LambdaMaskOptions();
        first.Apply(chosen);
        Assert.Equal((first.Best.LocalLength, first.Best.GlobalLength, first.Best.DistanceCeiling), (chosen.LocalLength, chosen.GlobalLength, chosen.DistanceCeiling!.Value));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void Nothing_over_the_budget_is_chosen_and_what_is_tried_uses_the_budget(int chunk)
    {
        using var model = Model();
        var open = LambdaTuner.Run(model, Texts(), Trained, 1 << 20, Options(chunk));
        var budget = open.Trials.Where(trial => trial.LocalLength == Trained).Min(trial => trial.Bytes) - 1;
        var tight = LambdaTuner.Run(model, Texts(), Trained, budget, Options(chunk));

        Assert.All(tight.Trials, trial => Assert.InRange(trial.Bytes, 1, budget));
        Assert.InRange(tight.Trials.Max(trial => trial.LocalLength), Trained / 2, Trained - 1);
        Assert.Equal(Bytes(model, tight.Best, chunk), tight.Best.Bytes);
    }

    [Fact]
    public void A_budget_that_nothing_fits_is_refused_with_both_numbers()
    {
        using var model = Model();
        var error = Assert.Throws<ArgumentException>(() => LambdaTuner.Run(model, Texts(), Trained, 100, Options(8)));

        Assert.Matches(@"^memoryBudget = 100: the least that was tried takes \d{3,} bytes .* read 8 tokens a call \(LambdaTunerOptions\.ChunkLength\)", error.Message);
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var model = Model();
        Refused("LambdaTunerOptions.GlobalLengths is empty", new LambdaTunerOptions { GlobalLengths = [] });
        Refused("LambdaTunerOptions.GlobalLengths holds -1", new LambdaTunerOptions { GlobalLengths = [0, -1] });
        Refused("LambdaTunerOptions.WindowShares holds 1.5", new LambdaTunerOptions { WindowShares = [1, 1.5] });
        Refused("LambdaTunerOptions.ChunkLength = 0", new LambdaTunerOptions { ChunkLength = 0 });
        Assert.Contains("beyond the trained length 100", Assert.Throws<ArgumentException>(() => LambdaTuner.Run(model, Texts(), 100, 1 << 20)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => LambdaTuner.Run(model, Texts(), Trained, 0));

        void Refused(string words, LambdaTunerOptions options) =>
            Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(() => LambdaTuner.Run(model, Texts(), Trained, 1 << 20, options)).Message, StringComparison.Ordinal);
    }

    // What a model that is built with the chosen mask holds of a much longer text.
    private static long Bytes(LanguageModel model, LambdaTrial choice, int chunk)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var builder = LanguageModelBuilder.From(model.Config).AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (choice.LocalLength, choice.GlobalLength, choice.DistanceCeiling));
        builder.Dtype = ScalarType.Float64;
        using var chosen = builder.Build();
        using var state = (ModelState)chosen.NewState(1);
        long held = 0;
        for (var read = 0; read < 800; read += chunk)
        {
            chosen.Hidden(zeros(1, chunk, dtype: ScalarType.Int64), new SequenceContext(state)).Dispose();
            held = Math.Max(held, state.Layers.Cast<KeyValueCache>().Sum(cache => cache.Count * KeyBytes));
        }
        var bytes = LengthReader.Read(chosen, [new int[801]], new LengthReaderOptions { ChunkLength = chunk }).CacheBytes;
        Assert.InRange(held, bytes / 3, bytes);
        return bytes;
    }

    private static LambdaTunerOptions Options(int chunk) => new() { GlobalLengths = [0, 2], ChunkLength = chunk };

    private static IReadOnlyList<int>[] Texts() => [[.. Enumerable.Range(0, 200).Select(place => place * (place % 13) % (int)ToyModel.VocabSize)]];

    private static LanguageModel Model() => ToyModel.Builder().AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (4, 2)).AddRotary().Build();
}
