using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>A schedule's own check was a method that users had to know of; nothing ran it.</summary>
[NoTensorLeak]
public sealed class NoiseScheduleCheckTests
{
    [Fact]
    public void Every_schedule_of_the_package_passes()
    {
        foreach (var schedule in new NoiseSchedule[]
        {
            new LogLinearSchedule(), new LogLinearSchedule(1e-6), new LogLinearSchedule(.5), new CosineNoiseSchedule(), new CosineSquaredSchedule(), new CosineSquaredSchedule(1e-5),
            new LinearNoiseSchedule(), new LinearNoiseSchedule(1e-5, 20), new GeometricSchedule(), new GeometricSchedule(1e-4, 20),
            new Own(t => 3 * t * t, t => 6 * t), new Own(t => -Math.Log(1 - t), t => 1 / (1 - t)),
        })
        {
            schedule.Check();
            Assert.InRange(schedule.CheckRate(), 0, 1e-4);
        }
    }

    public static TheoryData<string, string> Wrong => new()
    {
        { "rate", "0.0303" },
        { "late rate", "0.9091" },
        { "rate no number", "0.303" },
        { "sigma no number", "0.5152" },
        { "falls", "0.5455" },
        { "negative", "time 0:" },
        { "alpha", "0.0303" },
        { "inverse", "0.0303" },
        { "infinite inside", "0.5152" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_is_built_on_a_schedule_that_contradicts_itself_names_it_and_the_time(string fault, string time)
    {
        using var scope = NewDisposeScope();
        var schedule = fault switch
        {
            "rate" => new Own(t => 3 * t, _ => 4),
            "late rate" => new Own(t => 3 * t, t => t > .9 ? 3.1 : 3),
            "rate no number" => new Own(t => 3 * t, t => t > .3 ? double.NaN : 3),
            "sigma no number" => new Own(t => t > .5 ? double.NaN : 3 * t, _ => 3),
            "falls" => new Own(t => t > .5 ? 3 * (1 - t) : 3 * t, t => t > .5 ? -3 : 3),
            "negative" => new Own(t => 3 * t - 1, _ => 3),
            "alpha" => new Own(t => 3 * t, _ => 3, t => 1 - t),
            "inverse" => new Own(t => 3 * t, _ => 3, inverse: sigma => sigma),
            _ => new Own(t => t > .5 ? double.PositiveInfinity : 3 * t, _ => 3),
        };
        var denoiser = new TableDenoiser(zeros(6, 5), 4);
        using var transformer = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 5, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8 });
        using var discriminator = Discriminator.FromTeacher(transformer);
        var network = new LanguageModelDenoiser(transformer, 4);
        Action[] builds =
        [
            () => _ = new AncestralSampler(denoiser, null, schedule),
            () => _ = new CachedAncestralSampler(denoiser, null, schedule),
            () => _ = new SparseAncestralSampler(denoiser, null, schedule),
            () => _ = new AnalyticSampler(denoiser, null, schedule),
            () => _ = new RemaskingSampler(denoiser, null, schedule),
            () => _ = new ConfidenceSampler(denoiser, null, schedule),
            () => _ = new SemiAutoregressiveSampler(denoiser, null, schedule),
            () => _ = new RewardGuidedSampler(network, discriminator, null, schedule),
            () => _ = new TimeSampling(schedule),
            () => new SdttTask(transformer, network, transformer, network, DistillerRun.Rows, null, schedule).Dispose(),
            () => new DiDiInstructTask(transformer, network, network, discriminator, DistillerRun.Rows, null, schedule).Dispose(),
            () => new AuxiliaryDenoiserTask(transformer, network, network, transformer, network, DistillerRun.Rows, null, schedule).Dispose(),
        ];
        foreach (var build in builds)
        {
            var error = Assert.Throws<ArgumentException>(build);
            Assert.Contains(nameof(Own), error.Message, StringComparison.Ordinal);
            Assert.Contains(time, error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(LossWeighting.Importance)]
    [InlineData(LossWeighting.ChangeOfVariables)]
    public void A_schedule_without_noise_at_the_start_has_no_change_of_variables(LossWeighting weighting)
    {
        var schedule = new Own(t => 3 * t, _ => 3, inverse: sigma => sigma / 3);
        _ = new TimeSampling(schedule);
        var error = Assert.Throws<ArgumentException>(() => new TimeSampling(schedule, new TimeSamplingOptions { Weighting = weighting }));

        Assert.Contains("SigmaMin", error.Message, StringComparison.Ordinal);
        if (weighting == LossWeighting.ChangeOfVariables)
        {
            using var scope = NewDisposeScope();
            Assert.Throws<ArgumentException>(() => new AncestralSampler(new ToldDenoiser(zeros(6, 5), 4, LevelScale.Time), null, schedule));
        }
    }

    [Fact]
    public void An_option_out_of_range_is_refused_when_a_sampler_is_built()
    {
        using var scope = NewDisposeScope();
        var denoiser = new TableDenoiser(zeros(6, 5), 4);
        foreach (var options in new DiffusionSamplerOptions[] { new() { Temperature = double.NaN }, new() { TopP = double.NaN }, new() { Temperature = 0 }, new() { EndTime = 2 } })
            Assert.Throws<ConfigurationException>(() => new AncestralSampler(denoiser, options));
    }

    private sealed class Own(Func<double, double> sigma, Func<double, double> rate, Func<double, double>? alpha = null, Func<double, double>? inverse = null) : NoiseSchedule
    {
        public override double Sigma(double t) => sigma(t);

        public override double SigmaRate(double t) => rate(t);

        public override double Alpha(double t) => alpha?.Invoke(t) ?? base.Alpha(t);

        public override double? TimeOf(double s) => inverse?.Invoke(s);
    }
}
