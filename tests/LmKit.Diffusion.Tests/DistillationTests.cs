using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class DistillationTests
{
    private const long Mask = 4;

    private static DiffusionTransformerOptions Sizes => new() { VocabSize = 5, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8, DropoutRate = 0, Seed = 3 };

    [Fact]
    public void A_step_teaches_the_discriminator_first_and_then_both_and_leaves_nothing_behind()
    {
        using var scope = NewDisposeScope();
        using var teacher = DiffusionTransformer.Build(Sizes);
        using var student = DiffusionTransformer.Build(Sizes);
        using var discriminator = Discriminator.FromTeacher(teacher);
        using var task = new DiDiInstructTask(
            student,
            new LanguageModelDenoiser(student, Mask),
            new LanguageModelDenoiser(teacher, Mask),
            discriminator,
            (count, random) => randint(0, Mask, [count, 6], dtype: ScalarType.Int64, generator: random),
            new DiDiInstructOptions { Steps = 4, DiscriminatorWarmup = 3, GroupCount = 2, GroupSize = 3, WarmupSteps = 1 });
        using var trainer = new Trainer(task);
        double[] Values() => [.. student.parameters().SelectMany(parameter => parameter.detach().to(ScalarType.Float64).flatten().data<double>().ToArray())];
        var before = Values();

        for (var step = 0; step < 3; step++)
            Assert.Equal(double.NaN, trainer.Advance()!.Loss);
        Assert.Equal(before, Values());
        Assert.True(double.IsFinite(trainer.Advance()!.Loss));
        LiveTensors.Unchanged("A step", () => trainer.Advance());
        trainer.Run();

        Assert.NotEqual(before, Values());
        Assert.Equal((7 * 4, 4 * 4, 4 * 2, 7 * 2 + 4, 7 * 2), (task.Ledger.DenoiserForwards, task.Ledger.DenoiserBackwards, task.Ledger.TeacherForwards, task.Ledger.DiscriminatorForwards, task.Ledger.DiscriminatorBackwards));
    }

    [Fact]
    public void The_official_settings_are_those_of_the_training_release_and_run_too()
    {
        var official = DiDiInstructOptions.Official();
        Assert.Equal((10_000, 0, 1000), (official.Steps, official.DiscriminatorWarmup, official.WarmupSteps));
        Assert.Equal((1e-6, 1e-5, 0.999), (official.StudentLearningRate, official.DiscriminatorLearningRate, official.AverageDecay));
        Assert.Equal((4, 2, 4), (official.GroupSize, official.RolloutSteps, official.TrainedBlocks));
        Assert.Equal((false, true, true, true, RolloutStart.Masks), (official.SharesTimes, official.CouplesTime, official.LooksAtMaskedOnly, official.DividesByDeviation, official.Start));
        Assert.Equal((0.1, 0.01, 5e-4, 0.02), (official.LabelSmoothing, official.DivergenceWeight, official.EntropyWeight, official.TimeMargin));
        Assert.Equal((8, 3, 0.5, 1), (official.RewardClip, official.AdvantageClip, official.MaxStudentNorm, official.MaxDiscriminatorNorm));

        using var scope = NewDisposeScope();
        using var teacher = DiffusionTransformer.Build(Sizes);
        using var student = DiffusionTransformer.Build(Sizes);
        using var discriminator = Discriminator.FromTeacher(teacher);
        var options = official;
        (options.Steps, options.GroupCount, options.WarmupSteps) = (2, 2, 0); // a warm-up would last a thousand steps
        var (before, judgeBefore) = (DistillerRun.Values(student), DistillerRun.Values(discriminator));
        using var task = new DiDiInstructTask(student, new LanguageModelDenoiser(student, Mask), new LanguageModelDenoiser(teacher, Mask), discriminator, (count, random) => randint(0, Mask, [count, 6], dtype: ScalarType.Int64, generator: random), options);
        using var trainer = new Trainer(task);

        trainer.Run();

        Assert.Equal(2, trainer.Average!.UpdateCount);
        Assert.NotEqual(before, DistillerRun.Values(student));
        Assert.NotEqual(judgeBefore, DistillerRun.Values(discriminator));
    }

    [Fact]
    public void Settings_that_cannot_be_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var student = DiffusionTransformer.Build(Sizes);
        using var discriminator = DistillerRun.Untaught(Sizes);
        var denoiser = new LanguageModelDenoiser(student, Mask);
        DiDiInstructTask Make(DiDiInstructOptions options) => new(student, denoiser, denoiser, discriminator, (count, _) => zeros([count, 4], ScalarType.Int64), options);

        Assert.Contains("group_size", Assert.Throws<ConfigurationException>(() => Make(new DiDiInstructOptions { GroupSize = 1 })).Message, StringComparison.Ordinal);
        Assert.Contains("rollout_steps", Assert.Throws<ConfigurationException>(() => Make(new DiDiInstructOptions { RolloutSteps = 0 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reference_rows_with_a_mask_are_refused()
    {
        using var scope = NewDisposeScope();
        using var student = DiffusionTransformer.Build(Sizes);
        using var discriminator = DistillerRun.Untaught(Sizes);
        var denoiser = new LanguageModelDenoiser(student, Mask);
        using var task = new DiDiInstructTask(student, denoiser, denoiser, discriminator, (count, _) => full(count, 4, Mask, ScalarType.Int64));
        using var trainer = new Trainer(task);

        Assert.Contains("mask id 4", Assert.Throws<ArgumentException>(() => trainer.Advance()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Groups_of_one_and_rewards_that_are_not_finite_are_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentException>(() => GroupedRewardNormalization.Advantages(ones(4), 1));
        Assert.Throws<ArgumentException>(() => GroupedRewardNormalization.Advantages(ones(5), 2));
        Assert.Contains("not finite", Assert.Throws<ArgumentException>(() => GroupedRewardNormalization.Advantages(tensor([1.0, double.NaN]), 2)).Message, StringComparison.Ordinal);
        Assert.Contains("row 1", Assert.Throws<ArgumentException>(() => DivergenceReward.OfAll(tensor([1.0, double.NaN]).view(2, 1, 1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Equal_rewards_give_no_advantage()
    {
        using var scope = NewDisposeScope();
        Close.Check("advantages", zeros(4), GroupedRewardNormalization.Advantages(full(4, 2.5), 4));
    }

    [Fact]
    public void A_row_without_a_reward_moves_neither_itself_nor_its_group()
    {
        using var scope = NewDisposeScope();
        var counted = tensor([true, true, false, true]);
        var alone = GroupedRewardNormalization.Advantages(tensor([1.0, 2.0, 6.0]), 3);
        var together = GroupedRewardNormalization.Advantages(tensor([1.0, 2.0, 100.0, 6.0]), 4, counted: counted);

        Close.Check("advantages", alone, together.masked_select(counted), absolute: 1e-12);
        Assert.Equal(0, together[2].item<double>());
        Close.Check("none counted", zeros(2, ScalarType.Float64), GroupedRewardNormalization.Advantages(tensor([1.0, 2.0]), 2, counted: tensor([false, false])));
    }

    [Fact]
    public void A_row_without_masked_positions_has_reward_zero()
    {
        using var scope = NewDisposeScope();
        var rewards = DivergenceReward.OfMasked(ones([2, 3, 1], ScalarType.Float64), tensor([false, false, false, true, true, false], [2, 3]));
        Assert.Equal(0, rewards[0].item<double>());
        Assert.Equal(1, rewards[1].item<double>(), 1e-4);
    }

    [Fact]
    public void Twenty_training_calls_bring_the_spectral_norm_to_one()
    {
        using var scope = NewDisposeScope();
        using var discriminator = DistillerRun.Untaught(Sizes);
        discriminator.train();
        for (var call = 0; call < 40; call++)
            discriminator.Model.Logits(zeros(1, 1, 16)).Dispose();
        var state = discriminator.Model.state_dict();
        var weight = state["lm_head.0.weight_orig"];
        var sigma = weight.mv(state["lm_head.0.weight_v"]).dot(state["lm_head.0.weight_u"]);
        Assert.Equal(1, (linalg.svdvals(weight).max() / sigma).item<float>(), 1e-2);
    }

    [Fact]
    public void The_policy_gradient_is_the_gradient_of_the_integral_divergence()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(11);
        // One position, three data tokens, one scored step from the mask: sum_x p(x) R(x) grad ln p(x), R known exactly.
        var logits = tensor([0.3, -0.2, 0.9, 0.0], [1, 1, 4]).requires_grad_();
        var reward = tensor([1.0, -0.5, 0.25]);
        var start = full(1, 1, 3, ScalarType.Int64);
        var exact = (SubsParameterization.Apply(logits, start, 3).squeeze(0).squeeze(0).exp().narrow(0, 0, 3) * reward).sum();
        exact.backward();
        var expected = logits.grad!.clone();
        logits.grad!.zero_();

        const int draws = 20_000;
        var subs = SubsParameterization.Apply(logits, start, 3).expand(draws, 1, 4);
        var draw = ScoredDraw.Of(subs, start.expand(draws, 1), zeros(1, 1, dtype: ScalarType.Float64), ones(1, 1, dtype: ScalarType.Float64), 3, rand([draws, 1, 4], ScalarType.Float64, generator: random));
        var loss = DistillationLosses.PolicyGradient(ones(draws, ScalarType.Float64), reward.index_select(0, draw.Tokens.view(-1)), draw.LogProbability);
        loss.backward();

        Close.Check("gradient", expected, -logits.grad!, absolute: 0.02);
    }
}
