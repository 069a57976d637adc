using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The reduced-scale task at the length that tests can afford; samples/DiffusionText runs it whole.</summary>
[NoTensorLeak]
public class ReducedScaleTests
{
    [Fact]
    public void A_few_updates_with_an_auxiliary_denoiser_improve_eight_steps_without_loss_of_entropy()
    {
        using var scope = NewDisposeScope();
        using var teacher = ToyTeacher.Load();
        using var student = ToyTeacher.Load();
        using var auxiliary = ToyTeacher.Load();
        var chain = ToyTeacher.Chain();
        var before = ToyTeacher.Measure(teacher, chain, 8, 256);
        using var task = new AuxiliaryDenoiserTask(
            student,
            new LanguageModelDenoiser(student, ToyTeacher.Mask),
            new LanguageModelDenoiser(teacher, ToyTeacher.Mask),
            auxiliary,
            new LanguageModelDenoiser(auxiliary, ToyTeacher.Mask),
            (count, random) => chain.Sample(count, ToyTeacher.Length, random),
            new AuxiliaryDenoiserOptions { Steps = 40, AuxiliaryWarmup = 30, WarmupSteps = 5, StudentLearningRate = 1e-3, AverageDecay = 0.9 });
        using var trainer = new Trainer(task);

        trainer.Run();

        using var average = trainer.Average!.Swap();
        var after = ToyTeacher.Measure(student, chain, 8, 256);
        Assert.True(after.Perplexity < 0.95 * before.Perplexity, $"perplexity {before.Perplexity} -> {after.Perplexity}");
        Assert.True(after.Entropy > 0.97 * before.Entropy, $"entropy {before.Entropy} -> {after.Entropy}");
        Assert.Equal((70, 40, 80, 110, 70), (task.Ledger.DenoiserForwards, task.Ledger.DenoiserBackwards, task.Ledger.TeacherForwards, task.Ledger.AuxiliaryForwards, task.Ledger.AuxiliaryBackwards));
    }

    [Fact]
    public void The_ledger_of_eight_guided_steps_lists_who_was_asked()
    {
        using var scope = NewDisposeScope();
        using var student = ToyTeacher.Load();
        using var discriminator = Discriminator.FromTeacher(student);
        discriminator.eval();
        var (ledger, batch) = (new CallLedger(), 3L);
        var options = new RewardGuidedSamplerOptions { StepCount = 8, CandidateCount = 4, RerankingShare = 0.5, TiltStart = 1, TiltEnd = 2, StopsWhenComplete = false };
        Draws.Last(new RewardGuidedSampler(new LanguageModelDenoiser(student, ToyTeacher.Mask), discriminator, options), zeros([batch, 0], ScalarType.Int64), ToyTeacher.Length, 1, ledger).Dispose();

        Assert.Equal((8, 1), (ledger.DenoiserForwards, ledger.NoiseRemovalForwards));
        Assert.Equal((8, 4), (ledger.DiscriminatorForwards, ledger.DiscriminatorBackwards)); // four tilts, four rankings
        Assert.Equal(16 * batch, ledger.RankedSequences);
    }

    [Fact]
    public void Quality_curves_make_a_table_and_know_their_points()
    {
        var curve = new QualityCurve("one", [new SampleQuality(4, 10, 3.5, 0.02, 1.7, 0)]);
        var other = new QualityCurve("two", [new SampleQuality(8, 10, null, 0.01, 1.6, 0)]);

        Assert.Equal("| steps | one | two |\n|---|---|---|\n| 4 | 3.50 / 0.0200 / 1.700 |  |\n| 8 |  |  / 0.0100 / 1.600 |\n", QualityCurve.Table([curve, other]));
        Assert.Contains("not measured at 8", Assert.Throws<ArgumentException>(() => curve.At(8)).Message, StringComparison.Ordinal);
    }
}
