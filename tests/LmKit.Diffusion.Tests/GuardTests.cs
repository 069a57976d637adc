using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class GuardTests
{
    private static readonly SampleQuality teacher = new(8, 512, 4, 0.03, 1.70, 0);

    [Theory]
    [InlineData(new[] { 0.03, 0.02 }, 1.66, GuardVerdict.Continue)]
    [InlineData(new[] { 0.03, 0.02 }, 1.64, GuardVerdict.EntropyFell)]
    [InlineData(new[] { 0.03, 0.02 }, double.NaN, GuardVerdict.EntropyFell)]
    [InlineData(new[] { 0.02, 0.03, 0.025 }, 1.7, GuardVerdict.Continue)]
    [InlineData(new[] { 0.02, 0.03, 0.025, 0.021 }, 1.7, GuardVerdict.DivergenceStalled)]
    [InlineData(new[] { 0.02, 0.03, 0.025, 0.019 }, 1.7, GuardVerdict.Continue)]
    public void The_verdict_follows_entropy_and_divergence(double[] divergences, double lastEntropy, GuardVerdict expected)
    {
        var readings = divergences.Select((divergence, index) => teacher with { Divergence = divergence, Entropy = index == divergences.Length - 1 ? lastEntropy : 1.7 }).ToArray();

        Assert.Equal(expected, DistillationGuard.Judge(readings, teacher, new DistillationGuardOptions()));
    }

    [Fact]
    public void A_collapse_stops_the_run_and_brings_the_best_average_back()
    {
        using var scope = NewDisposeScope();
        using var teacher = ToyTeacher.Load();
        using var student = ToyTeacher.Load();
        using var discriminator = Discriminator.FromTeacher(teacher);
        var chain = ToyTeacher.Chain();
        var options = new DiDiInstructOptions { Steps = 400, DiscriminatorWarmup = 5, RolloutSteps = 1, GroupCount = 4, StudentLearningRate = 1e-2, WarmupSteps = 1, AverageDecay = 0.5, DivergenceWeight = 0 };
        using var task = new DiDiInstructTask(student, new LanguageModelDenoiser(student, ToyTeacher.Mask), new LanguageModelDenoiser(teacher, ToyTeacher.Mask), discriminator, (count, random) => chain.Sample(count, ToyTeacher.Length, random), options);
        using var guard = new DistillationGuard(new LanguageModelDenoiser(teacher, ToyTeacher.Mask), SampleJudge.Of(chain, ToyTeacher.Length), new DistillationGuardOptions { Interval = 5, SampleCount = 64, Length = ToyTeacher.Length });
        task.Guard = guard;
        using var trainer = new Trainer(task);

        trainer.Run();

        Assert.True(trainer.Step < trainer.TotalSteps);
        Assert.NotEqual(GuardVerdict.Continue, guard.Last!.Verdict);
        Assert.Equal(TrainingEnd.Task, trainer.End);
        Assert.Contains("samples", trainer.EndReason, StringComparison.Ordinal);
        using (trainer.Average!.Swap())
            Assert.Equal(guard.Best!.Student, SampleJudge.Of(chain, ToyTeacher.Length).Measure(new SparseAncestralSampler(new LanguageModelDenoiser(student, ToyTeacher.Mask), new DiffusionSamplerOptions { StepCount = 8 }), 8, 64, ToyTeacher.Length, 0));
    }

    [Fact]
    public void A_collapse_at_the_first_reading_brings_the_average_back_that_the_run_began_with()
    {
        using var scope = NewDisposeScope();
        using var teacher = ToyTeacher.Load();
        using var student = ToyTeacher.Load();
        using var uniform = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = ToyTeacher.Mask + 1, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8 }); // its head is zero
        uniform.eval();
        using var discriminator = Discriminator.FromTeacher(teacher);
        var chain = ToyTeacher.Chain();
        var options = new DiDiInstructOptions { Steps = 9, DiscriminatorWarmup = 1, GroupCount = 2, GroupSize = 2, WarmupSteps = 1, AverageDecay = 0 };
        using var task = new DiDiInstructTask(student, new LanguageModelDenoiser(student, ToyTeacher.Mask), new LanguageModelDenoiser(teacher, ToyTeacher.Mask), discriminator, (count, random) => chain.Sample(count, ToyTeacher.Length, random), options);
        using var guard = new DistillationGuard(new LanguageModelDenoiser(uniform, ToyTeacher.Mask), SampleJudge.Of(chain, ToyTeacher.Length), new DistillationGuardOptions { Interval = 3, SampleCount = 64, Length = ToyTeacher.Length, EntropyTolerance = 0 });
        task.Guard = guard;
        using var trainer = new Trainer(task);
        double[] Average() => [.. trainer.Average!.Tensors.Values.SelectMany(DistillerRun.Values)];
        var before = Average();
        trainer.Advance();
        trainer.Advance();
        Assert.NotEqual(before, Average());

        trainer.Run();

        Assert.Equal((3, GuardVerdict.EntropyFell), (trainer.Step, Assert.Single(guard.Readings).Verdict));
        Assert.Null(guard.Best);
        Assert.Equal(before, Average());
    }

    [Fact]
    public void The_average_that_comes_back_is_that_of_the_best_reading()
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun("didi", null, isGuarded: true, patience: 1, configure: options => (options.WarmupSteps, ((DiDiInstructOptions)options).DiscriminatorWarmup) = (0, 0));
        double[] Average() => [.. run.Trainer.Average!.Tensors.Values.SelectMany(DistillerRun.Values)];
        var begin = Average();
        Assert.DoesNotContain(run.Trainer.Advance()!.Figures.Keys, name => name.StartsWith("guard.", StringComparison.Ordinal));
        var figures = run.Trainer.Advance()!.Figures;
        Assert.Equal(Assert.Single(run.Task.Guard!.Readings).Student.Entropy, figures["guard.entropy"]);
        var best = Average();
        Assert.NotEqual(begin, best);

        run.Trainer.Run();

        Assert.Equal((4, TrainingEnd.Task, 2), (run.Trainer.Step, run.Trainer.End, run.Task.Guard.Best!.Step));
        Assert.Equal(best, Average());
    }
}
