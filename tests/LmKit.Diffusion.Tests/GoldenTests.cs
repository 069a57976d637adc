using LmKit.Conformance;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[GoldenArea("diffusion")]
public class GoldenTests(ITestOutputHelper output) : GoldenSuite(output)
{
    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>
    {
        ["noise_schedules"] = NoiseGolden.Schedules,
        ["time_sampling"] = NoiseGolden.Times,
        ["subs_mask"] = NoiseGolden.Subs,
        ["nelbo"] = NoiseGolden.Bound,
        ["ema"] = TransformerGolden.Average,
        ["ema_didi_double"] = TransformerGolden.DoubleAverage,
        ["dit_forward"] = TransformerGolden.Forward,
        ["dit_soft_input"] = TransformerGolden.SoftInput,
        ["sampler_step"] = SamplerGolden.Steps,
        ["sampler_loop"] = SamplerGolden.Loops,
        ["ancestral_alpha"] = SamplerGolden.ByShare,
        ["remdm_step"] = SamplerGolden.Remasking,
        ["discriminator"] = DistillationGolden.Discriminators,
        ["didi_train_step"] = DistillationGolden.TrainStep,
        ["rgas_step"] = DistillationGolden.GuidedStep,
        ["rgas_loop"] = DistillationGolden.GuidedLoop,
        ["metrics"] = EvaluationGolden.Metrics,
        ["toy_chain"] = EvaluationGolden.Chain,
        ["toy_teacher"] = EvaluationGolden.Teacher,
    };

    protected override IReadOnlyDictionary<string, string> Unnoticed { get; } = new Dictionary<string, string>
    {
        ["sampler_loop: w.*"] = "a loop is compared by its tokens, which a slightly other weight need not move; dit_forward compares the numbers",
        ["rgas_loop: student.*"] = "a loop is compared by its tokens; rgas_step compares the numbers",
        ["rgas_loop: disc.*"] = "a loop is compared by its tokens; rgas_step compares the numbers",
        ["rgas_loop: u.*"] = "uniforms are compared by the tokens that they draw",
        ["ancestral_alpha: t"] = "a step is compared by its tokens, which a slightly other time need not move",
        ["didi_train_step: x0_real"] = "the step uses only which tokens of the data are masked",
        ["discriminator: train.u_before.2"] = "a vector of one entry, which its norm divides away",
        ["toy_teacher: backbone.*"] = "a teacher is judged by what it samples, within windows",
    };
}
