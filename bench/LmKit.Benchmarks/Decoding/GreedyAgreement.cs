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
    /// <param name="tolerance">Largest difference of their logits, relative to the baseline's largest.</param>
    /// <exception cref="RatioDisagreementException">They chose different tokens, or their logits differ further than that.</exception>
    internal static IReadOnlyList<long> Require(string name, IDecoder baseline, IDecoder ours, long first, int count, double tolerance)
    {
        var tokens = new List<long> { first };
        for (var chosen = 1; chosen <= count; chosen++)
        {
            using var scope = torch.NewDisposeScope();
            var (theirs, our) = (baseline.Step(tokens[^1]), ours.Step(tokens[^1]));
            var (theirChoice, ourChoice) = (theirs.argmax().item<long>(), our.argmax().item<long>());
            var difference = theirChoice == ourChoice
                ? RatioAgreement.Difference([theirs], [our], tolerance)
                : $"token {chosen} after the context is {theirChoice} for the baseline and {ourChoice} for ours";
            if (difference is not null)
                throw new RatioDisagreementException($"{name}: the two sides disagree, so no ratio is given: {difference}.");

            tokens.Add(ourChoice);
        }

        baseline.Return();
        ours.Return();
        return tokens;
    }
}
