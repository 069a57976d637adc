using LmKit.Benchmarks.Ratios;
using TorchSharp;

namespace LmKit.Benchmarks.Decoding;

/// <summary>Lets two decoders continue one context with the likeliest token each, and requires that they choose the same.</summary>
internal static class GreedyAgreement
{
    /// <summary>The token that was given and those that both chose, all taken in but the last; both decoders are then back at the context.</summary>
    /// <param name="name">The case, for the message.</param>
    /// <param name="baseline">The one side.</param>
    /// <param name="ours">The other.</param>
    /// <param name="first">The token behind the context.</param>
    /// <param name="count">How many tokens to choose.</param>
    /// <exception cref="RatioDisagreementException">They chose different tokens.</exception>
    public static IReadOnlyList<long> Require(string name, IDecoder baseline, IDecoder ours, long first, int count)
    {
        var tokens = new List<long> { first };
        for (var chosen = 0; chosen < count; chosen++)
        {
            var (theirChoice, ourChoice) = (Likeliest(baseline, tokens[^1]), Likeliest(ours, tokens[^1]));
            if (theirChoice != ourChoice)
            {
                throw new RatioDisagreementException(
                    $"{name}: the two sides disagree, so no ratio is given: token {chosen + 1} after the context is {theirChoice} for the baseline and {ourChoice} for ours.");
            }

            tokens.Add(ourChoice);
        }

        baseline.Return();
        ours.Return();
        return tokens;
    }

    private static long Likeliest(IDecoder decoder, long token)
    {
        using var scope = torch.NewDisposeScope();
        return decoder.Step(token).argmax().item<long>();
    }
}
