using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>A sampler steered by a reward of the user's, over any denoiser.</summary>
[NoTensorLeak]
public sealed class RewardTests
{
    private const long Mask = 4;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_reward_of_ones_own_steers_any_denoiser(bool scoresPositions)
    {
        using var scope = NewDisposeScope();
        var denoiser = new TableDenoiser(zeros(64, 8, 5), Mask);

        double Share(IReward? reward, double tilt)
        {
            DiffusionSampler sampler = reward is null
                ? new AncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = 8 })
                : new RewardGuidedSampler(denoiser, reward, new RewardGuidedSamplerOptions { StepCount = 8, CandidateCount = 8, RerankingShare = tilt == 0 ? 1 : 0, TiltStart = tilt, TiltEnd = tilt });
            using var last = Draws.Last(sampler, full(64, 8, Mask, ScalarType.Int64), 0, 3);
            return last.eq(2).to(ScalarType.Float64).mean().item<double>();
        }

        var plain = Share(null, 0);
        Assert.True(Share(new Twos(scoresPositions, takesSoftRows: false), 0) > plain + 0.2);
        Assert.True(Share(new Twos(scoresPositions, takesSoftRows: true), 20) > plain + 0.2);
    }

    [Fact]
    public void What_a_reward_or_a_denoiser_does_not_have_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        var denoiser = new TableDenoiser(zeros(1, 8, 5), Mask);

        string Refusal(RewardGuidedSamplerOptions options) => Assert.Throws<ArgumentException>(() => new RewardGuidedSampler(denoiser, new Twos(true, false), options)).Message;

        Assert.Contains("RewardGuidedSamplerOptions.TiltStart = 30 and TiltEnd = 40 tilt by the gradient of Twos, which takes no soft rows", Refusal(new() { TiltStart = 30, TiltEnd = 40 }), StringComparison.Ordinal);
        Assert.Contains("RewardGuidedSamplerOptions.UsesRawOutputs = true needs the raw outputs of the network, which TableDenoiser does not give", Refusal(new() { UsesRawOutputs = true }), StringComparison.Ordinal);
        Assert.Contains("Twos", Assert.Throws<NotSupportedException>(() => RewardGuidance.Gradient(new Twos(true, false), zeros(2, 3, 5), zeros(2, 3, ScalarType.Int64), zeros(2), Mask)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "graph back")]
    [InlineData(false, "(B) or (B, L); it gave (1)")]
    public void A_score_that_cannot_be_used_is_refused_by_the_rewards_name(bool isCut, string part)
    {
        using var scope = NewDisposeScope();
        var error = Assert.Throws<InvalidOperationException>(() => RewardGuidance.Gradient(new Broken(isCut), zeros(2, 3, 5), full(2, 3, Mask, ScalarType.Int64), zeros(2), Mask));
        Assert.Contains("Broken", error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Counts the twos, or their probability.</summary>
    private sealed class Twos(bool scoresPositions, bool takesSoftRows) : IReward
    {
        public bool TakesSoftRows => takesSoftRows;

        public Tensor Score(Tensor tokens, Tensor level)
        {
            using var scope = NewDisposeScope();
            var twos = tokens.is_floating_point() ? tokens.softmax(-1).select(-1, 2) : tokens.eq(2).to(ScalarType.Float32);
            return (scoresPositions ? twos * 4 : twos.sum(1) * 4).MoveToOuterDisposeScope();
        }
    }

    private sealed class Broken(bool isCut) : IReward
    {
        public bool TakesSoftRows => true;

        public Tensor Score(Tensor tokens, Tensor level)
        {
            using var scope = NewDisposeScope();
            return (isCut ? tokens.detach().sum([1L, 2L]) : tokens.sum().view(1)).MoveToOuterDisposeScope();
        }
    }
}
