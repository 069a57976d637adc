using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>Guesses on a fork of a hybrid's state, checked at once and rolled back where they are wrong.</summary>
[NoTensorLeak]
public class SpeculativeDecodingTests
{
    private const int GuessCount = 4;
    private const int TokenCount = 30;

    [Fact]
    public void Guessing_on_forks_gives_the_tokens_of_plain_greedy_decoding()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Hybrid();
        var prompt = arange(1, 6, dtype: ScalarType.Int64).view(1, 5);
        var expected = Greedy(model, prompt);

        var (tokens, refused) = Speculate(model, prompt, expected);

        Assert.Equal(expected, tokens);
        Assert.True(refused > 3, $"Only {refused} guesses were wrong.");
    }

    [Fact]
    public void Two_suffixes_and_the_way_back_give_the_outputs_of_fresh_runs_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Hybrid();
        var tokens = (arange(24, dtype: ScalarType.Int64).view(2, 12) * 5).remainder(ToyModel.VocabSize);
        using var state = model.NewState(2);
        _ = model.call(tokens.narrow(1, 0, 5), new SequenceContext(state));
        foreach (var start in new[] { 7, 8, 5 }) // the last is the text itself, after two guesses were dropped
        {
            using var guess = state.Fork(arange(2, dtype: ScalarType.Int64));
            using var fresh = model.NewState(2);
            _ = model.call(tokens.narrow(1, 0, 5), new SequenceContext(fresh));
            for (var at = 0; at < 4; at++)
            {
                var token = tokens.narrow(1, start + at, 1);
                Close.Check($"suffix from {start}, token {at}", model.call(token, new SequenceContext(fresh)), model.call(token, new SequenceContext(guess)));
            }
        }
        using var again = model.NewState(2);
        _ = model.call(tokens.narrow(1, 0, 5), new SequenceContext(again));
        Close.Check("the state itself", model.call(tokens.narrow(1, 5, 7), new SequenceContext(again)), model.call(tokens.narrow(1, 5, 7), new SequenceContext(state)));
    }

    private static List<long> Greedy(LanguageModel model, Tensor prompt)
    {
        using var state = model.NewState(1);
        var (tokens, logits) = (new List<long>(), model.call(prompt, new SequenceContext(state)));
        while (tokens.Count < TokenCount)
        {
            tokens.Add(logits[0, logits.size(1) - 1].argmax().item<long>());
            logits = model.call(tensor(new[] { tokens[^1] }, [1, 1]), new SequenceContext(state));
        }
        return tokens;
    }

    // The guesser knows the answer but for every third token, so that guesses are taken in part.
    private static (List<long> Tokens, int Refused) Speculate(LanguageModel model, Tensor prompt, List<long> answer)
    {
        var state = (MixerState)model.NewState(1);
        var (tokens, refused) = (new List<long>(), 0);
        var last = model.call(prompt, new SequenceContext(state))[0, prompt.size(1) - 1].argmax().item<long>();
        while (tokens.Count + GuessCount < TokenCount)
        {
            var at = tokens.Count + 1;
            long[] guesses = [last, .. Enumerable.Range(at, GuessCount - 1).Select(place => place % 3 == 0 ? (answer[place] + 1) % ToyModel.VocabSize : answer[place])];
            using var trial = state.Fork(zeros(1, dtype: ScalarType.Int64));
            var said = HostValues.Read(model.call(tensor(guesses, [1, GuessCount]), new SequenceContext(trial))[0].argmax(1));
            var right = Enumerable.Range(1, GuessCount - 1).TakeWhile(place => guesses[place] == said[place - 1]).Count() + 1;
            refused += GuessCount - right;
            tokens.AddRange(guesses[..right]);
            last = said[right - 1];
            _ = model.call(tensor(guesses[..right], [1, right]), new SequenceContext(state)); // what was right, from where the guess began
        }
        state.Dispose();
        tokens.Add(last);
        tokens.AddRange(answer.Skip(tokens.Count));
        return (tokens, refused);
    }

    private static LanguageModel Hybrid() => ToyModel.Builder(5)
        .AddH3(h3 => (h3.StateDim, h3.HeadDim) = (8, 2))
        .AddAttention(layers: [1])
        .AddS4D(s4d => s4d.StateDim = 8, layers: [2])
        .AddSelectiveScan(layers: [3])
        .AddLongConv(conv => conv.KernelLength = 6, layers: [4])
        .Build();
}
