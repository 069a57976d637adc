using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>A network that was told t in training, under the change of variables, was told sigma(t) by every sampler.</summary>
[NoTensorLeak]
public sealed class LevelScaleTests
{
    private static readonly NoiseSchedule[] Schedules = [new LogLinearSchedule(), new LogLinearSchedule(.01), new LinearNoiseSchedule(), new GeometricSchedule(1e-3, 7)];

    public static TheoryData<string> Samplers => ["ancestral", "cached", "sparse", "analytic", "remasking", "confidence", "semi"];

    [Theory]
    [MemberData(nameof(Samplers))]
    public void Every_sampler_tells_the_level_at_which_training_masks_as_much(string kind)
    {
        using var scope = NewDisposeScope();
        foreach (var schedule in Schedules)
        {
            var (byTime, byNoise) = (Sample(kind, schedule, LevelScale.Time), Sample(kind, schedule, LevelScale.TotalNoise));

            Assert.NotEmpty(byTime);
            Assert.All(byTime, level => Assert.InRange(level, 0, 1));
            Assert.Equal(byNoise.Count, byTime.Count);
            foreach (var (sigma, time) in byNoise.Zip(byTime))
            {
                var share = -double.ExpM1(-sigma);
                if (time is > 0 and < 1)
                    Assert.Equal(share, TrainedShare(schedule, time), share * 1e-6);
                else
                    Assert.True(time == 0 ? share <= TrainedShare(schedule, 0) * (1 + 1e-9) : share >= TrainedShare(schedule, 1) * (1 - 1e-9), $"{schedule.GetType().Name}: {time} for a share of {share}");
            }
        }
    }

    [Fact]
    public void Total_noise_is_told_as_it_was()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([new LogLinearSchedule().Sigma(1), new LogLinearSchedule().Sigma(1), new LogLinearSchedule().Sigma(1 - (1 - 1e-5) / 4)], Sample("ancestral", new LogLinearSchedule(), LevelScale.TotalNoise).Take(3));
    }

    [Theory]
    [InlineData(LevelScale.TotalNoise, LossWeighting.ChangeOfVariables, false)]
    [InlineData(LevelScale.Time, LossWeighting.Elbo, false)]
    [InlineData(LevelScale.Time, LossWeighting.Importance, false)]
    [InlineData(LevelScale.Time, LossWeighting.ChangeOfVariables, true)]
    [InlineData(LevelScale.TotalNoise, LossWeighting.Importance, true)]
    public void A_task_is_built_only_where_training_and_sampling_agree(LevelScale scale, LossWeighting weighting, bool fits)
    {
        using var scope = NewDisposeScope();
        using var transformer = DiffusionTransformer.Build(Sizes(scale));
        var times = new TimeSampling(new LogLinearSchedule(), new TimeSamplingOptions { Weighting = weighting });
        var denoiser = new LanguageModelDenoiser(transformer, 4, isTimeConditioned: true);
        if (fits)
        {
            using var task = DenoisingTask.OnBatches(transformer, denoiser, Rows, 1, times);
            _ = task.NextLoss();
            return;
        }
        var error = Assert.Throws<ArgumentException>(() => DenoisingTask.OnBatches(transformer, denoiser, Rows, 1, times));
        Assert.Contains("level_scale", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{times.Scale}", error.Message, StringComparison.Ordinal);

        using var levels = times.Levels(tensor([.2, .4]));
        Assert.Throws<ArgumentException>(() => NegativeElbo.Of(denoiser, zeros(2, 6, dtype: ScalarType.Int64), levels, zeros(2, 6)));

        using var blind = DenoisingTask.OnBatches(transformer, new LanguageModelDenoiser(transformer, 4), Rows, 1, times); // it sees no level at all
        _ = blind.NextLoss();
    }

    [Fact]
    public void A_folder_remembers_the_scale_and_whether_levels_are_true()
    {
        using var scope = NewDisposeScope();
        var sizes = Sizes(LevelScale.Time);
        sizes.IsTimeConditioned = true;
        using var told = DiffusionTransformer.Build(sizes);
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            told.Save(folder.FullName);
            using var again = LanguageModel.Load(folder.FullName, kinds => kinds.AddDiffusion());

            Assert.Equal(told.Config, again.Config);
            var denoiser = new LanguageModelDenoiser(again, 4);
            Assert.Equal((LevelScale.Time, true), (denoiser.Scale, denoiser.IsTimeConditioned));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_reward_guided_sampler_tells_its_network_and_its_guide_the_same()
    {
        using var scope = NewDisposeScope();
        foreach (var scale in new[] { LevelScale.TotalNoise, LevelScale.Time })
        {
            using var transformer = DiffusionTransformer.Build(Sizes(scale));
            using var discriminator = Discriminator.FromTeacher(transformer);
            var (network, guide) = (new List<double>(), new List<double>());
            _ = ((TimestepEmbedding)transformer.Conditioning!).register_forward_pre_hook((_, level) => Hear(network, level)!);
            _ = ((TimestepEmbedding)discriminator.Model.Conditioning!).register_forward_pre_hook((_, level) => Hear(guide, level)!);
            using var random = new Generator(1);
            foreach (var options in new RewardGuidedSamplerOptions[] { new() { StepCount = 3 }, new() { StepCount = 3, TiltStart = 1, TiltEnd = 1, UsesRawOutputs = true } })
            {
                foreach (var grid in new RewardGuidedSampler(new LanguageModelDenoiser(transformer, 4, isTimeConditioned: true), discriminator, options).Sample(zeros(1, 0, dtype: ScalarType.Int64), 4, random))
                    grid.Dispose();
            }
            var schedule = new LogLinearSchedule();
            Assert.Contains(network, level => Math.Abs(level - schedule.Level(1, scale)) < 1e-5);
            Assert.Contains(guide, level => Math.Abs(level - schedule.Level((1 + 2e-5) / 3, scale)) < 1e-5);
            Assert.Equal(scale == LevelScale.Time, network.Max() <= 1);
            Assert.Equal(scale == LevelScale.Time, guide.Max() <= 1);
        }
    }

    [Theory]
    [InlineData("didi")]
    [InlineData("sdtt")]
    [InlineData("auxiliary")]
    public void Distillers_tell_all_networks_on_the_teachers_scale(string method)
    {
        foreach (var scale in new[] { LevelScale.TotalNoise, LevelScale.Time })
        {
            using var scope = NewDisposeScope();
            using var student = DiffusionTransformer.Build(Sizes(scale));
            using var second = DiffusionTransformer.Build(Sizes(scale));
            using var third = DiffusionTransformer.Build(Sizes(scale));
            using var discriminator = Discriminator.FromTeacher(second);
            Spy[] spies = [new(student), new(second), new(third)];
            using DistillationTask task = method switch
            {
                "didi" => new DiDiInstructTask(student, spies[0], spies[1], discriminator, DistillerRun.Rows, new DiDiInstructOptions { Steps = 3, DiscriminatorWarmup = 1, GroupCount = 2, GroupSize = 2 }),
                "sdtt" => new SdttTask(student, spies[0], second, spies[1], DistillerRun.Rows, new SdttOptions { Steps = 3, RoundCount = 1, TeacherStepCount = 8, BatchSize = 4 }),
                _ => new AuxiliaryDenoiserTask(student, spies[0], spies[1], third, spies[2], DistillerRun.Rows, new AuxiliaryDenoiserOptions { Steps = 3, AuxiliaryWarmup = 1, BatchSize = 4, Start = RolloutStart.Masks }),
            };
            using var trainer = new Trainer(task);
            trainer.Run();

            if (scale == LevelScale.Time)
                Assert.All(spies.SelectMany(spy => spy.Told), level => Assert.InRange(level, 0, 1));
            else
                Assert.True(spies[0].Told.Max() > 1);
            Assert.NotEmpty(spies[0].Told);
            Assert.NotEmpty(spies[1].Told);
        }
    }

    [Theory]
    [InlineData("didi")]
    [InlineData("sdtt")]
    [InlineData("auxiliary")]
    public void Distillers_refuse_networks_of_two_scales(string method)
    {
        using var scope = NewDisposeScope();
        using var student = DiffusionTransformer.Build(Sizes(LevelScale.TotalNoise));
        using var teacher = DiffusionTransformer.Build(Sizes(LevelScale.Time));
        using var discriminator = Discriminator.FromTeacher(teacher);
        var (learns, knows) = (new LanguageModelDenoiser(student, 4, true), new LanguageModelDenoiser(teacher, 4, true));
        var error = Assert.Throws<ArgumentException>(() =>
        {
            using DistillationTask task = method switch
            {
                "didi" => new DiDiInstructTask(student, learns, knows, discriminator, DistillerRun.Rows),
                "sdtt" => new SdttTask(student, learns, teacher, knows, DistillerRun.Rows),
                _ => new AuxiliaryDenoiserTask(teacher, knows, knows, student, learns, DistillerRun.Rows),
            };
        });
        Assert.Contains("TotalNoise", error.Message, StringComparison.Ordinal);
        Assert.Contains("Time", error.Message, StringComparison.Ordinal);
    }

    private static List<double> Sample(string kind, NoiseSchedule schedule, LevelScale scale)
    {
        var denoiser = new ToldDenoiser(zeros(6, 5), 4, scale);
        DiffusionSampler sampler = kind switch
        {
            "ancestral" => new AncestralSampler(denoiser, new() { StepCount = 4, StopsWhenComplete = false }, schedule),
            "cached" => new CachedAncestralSampler(denoiser, new() { StepCount = 4, StopsWhenComplete = false }, schedule),
            "sparse" => new SparseAncestralSampler(denoiser, new() { StepCount = 4, StopsWhenComplete = false }, schedule),
            "analytic" => new AnalyticSampler(denoiser, new() { StepCount = 4, StopsWhenComplete = false }, schedule),
            "remasking" => new RemaskingSampler(denoiser, new() { StepCount = 4 }, schedule),
            "confidence" => new ConfidenceSampler(denoiser, new() { StepCount = 4, StopsWhenComplete = false, Threshold = 1 }, schedule),
            _ => new SemiAutoregressiveSampler(denoiser, new() { StepCount = 4, WindowLength = 4, StrideLength = 2 }, schedule),
        };
        using var random = new Generator(1);
        foreach (var grid in sampler.Sample(full(2, 6, 4L, ScalarType.Int64), 0, random))
            grid.Dispose();
        return denoiser.Told;
    }

    private static Tensor? Hear(List<double> told, Tensor level)
    {
        using var scope = NewDisposeScope();
        told.Add(level.to(ScalarType.Float64)[0].item<double>());
        return null;
    }

    private static double TrainedShare(NoiseSchedule schedule, double time)
    {
        var sampling = new TimeSampling(schedule, new TimeSamplingOptions { Weighting = LossWeighting.ChangeOfVariables, IsStratified = false, MinTime = 0 });
        using var scope = NewDisposeScope();
        using var levels = sampling.Levels(tensor([time]));
        Assert.Equal(time, levels.Level.item<double>(), 1e-12);
        return levels.MaskedShare.item<double>();
    }

    private static DiffusionTransformerOptions Sizes(LevelScale scale) => new() { VocabSize = 5, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8, DropoutRate = 0, Seed = 3, Scale = scale };

    private static Tensor Rows(Generator random) => DistillerRun.Rows(4, random);

    private sealed class Spy(LanguageModel transformer) : IDenoiser
    {
        private readonly LanguageModelDenoiser inner = new(transformer, 4, isTimeConditioned: true);

        internal List<double> Told { get; } = [];

        public long VocabSize => inner.VocabSize;

        public long MaskId => inner.MaskId;

        public bool IsTimeConditioned => true;

        public LevelScale Scale => inner.Scale;

        public Tensor call(Tensor tokens, Tensor level)
        {
            using (var scope = NewDisposeScope())
                Told.AddRange(level.to(ScalarType.Float64).data<double>().ToArray());
            return inner.call(tokens, level);
        }
    }
}
