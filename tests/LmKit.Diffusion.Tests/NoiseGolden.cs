using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The golden checks of schedules, times, SUBS and the bound.</summary>
internal static class NoiseGolden
{
    private const double Exact = 1e-12;
    private const double BoundTolerance = 1e-10;

    internal static void Schedules(GoldenCase golden)
    {
        var schedules = new Dictionary<string, NoiseSchedule>
        {
            ["loglinear"] = new LogLinearSchedule(),
            ["cosine"] = new CosineNoiseSchedule(),
            ["cosinesqr"] = new CosineSquaredSchedule(),
            ["linear"] = new LinearNoiseSchedule(),
            ["geometric"] = new GeometricSchedule(1e-4, 20),
        };
        var t = golden.Tensor("t");
        foreach (var (name, schedule) in schedules)
        {
            Check($"{name}.sigma", schedule.Sigma);
            Check($"{name}.dsigma", schedule.SigmaRate);
            Check($"{name}.alpha", schedule.Alpha);
            if (golden.Has($"{name}.importance_t"))
                Check($"{name}.importance_t", schedule.ImportanceTime);
        }
        Assert.Equal(golden.Number("loglinear.sigma_max"), schedules["loglinear"].SigmaMax, Exact);
        Assert.Equal(golden.Number("loglinear.sigma_min"), schedules["loglinear"].SigmaMin, Exact);

        void Check(string name, Func<double, double> function) =>
            Close.Check(name, golden.Tensor(name), NoiseSchedule.Map(t, function), absolute: 1e-15, relative: Exact);
    }

    internal static void Times(GoldenCase golden)
    {
        foreach (var (isStratified, isImportance) in new[] { (true, false), (true, true), (false, false), (false, true) })
        {
            var name = $"anti{(isStratified ? 1 : 0)}.imp{(isImportance ? 1 : 0)}";
            var sampling = new TimeSampling(new LogLinearSchedule(), new TimeSamplingOptions
            {
                IsStratified = isStratified,
                Weighting = isImportance ? LossWeighting.Importance : LossWeighting.Elbo,
            });
            Close.Check(name, golden.Tensor($"t.{name}"), sampling.Times(golden.Tensor($"u.{name}")), absolute: Exact);
        }
    }

    internal static void Subs(GoldenCase golden) =>
        Close.Check("log_p", golden.Tensor("log_p"), SubsParameterization.Apply(golden.Tensor("logits"), golden.Tensor("xt"), (long)golden.Number("mask_index")), absolute: Exact, relative: Exact);

    internal static void Bound(GoldenCase golden)
    {
        var (x0, maskId, counted) = (golden.Tensor("x0"), (long)golden.Number("mask_index"), golden.Tensor("attention_mask"));
        var kinds = new Dictionary<string, TimeSamplingOptions>
        {
            ["elbo"] = new(),
            ["importance"] = new() { Weighting = LossWeighting.Importance },
            ["cov"] = new() { Weighting = LossWeighting.ChangeOfVariables },
            ["T1000"] = new() { DiscreteSteps = 1000 },
        };
        foreach (var (kind, options) in kinds)
        {
            Tensor Read(string name) => golden.Tensor($"{kind}.{name}");
            using var levels = new TimeSampling(new LogLinearSchedule(), options).Levels(Read("u_t"));
            Close.Check($"{kind}.move_chance", Read("move_chance").squeeze(1), levels.MaskedShare, absolute: Exact);
            var corrupted = MaskingProcess.Corrupt(x0, levels.MaskedShare, maskId, Read("u_mask"));
            Close.Check($"{kind}.xt", Read("xt"), corrupted);

            var logits = golden.Tensor("logits").requires_grad_();
            var terms = NegativeElbo.PerToken(SubsParameterization.Apply(logits, corrupted, maskId), x0, levels.Weight) * counted;
            var loss = terms.sum() / counted.sum();
            loss.backward();

            Close.Check($"{kind}.nlls", Read("nlls"), terms, absolute: BoundTolerance, relative: BoundTolerance);
            Close.Check($"{kind}.loss", Read("loss"), loss.view(1), absolute: BoundTolerance);
            Close.Check($"{kind}.grad_logits", Read("grad_logits"), logits.grad!, absolute: BoundTolerance);

            var denoiser = new TableDenoiser(golden.Tensor("logits"), maskId);
            var whole = NegativeElbo.Of(denoiser, x0, levels, Read("u_mask"), counted.ne(0));
            Close.Check($"{kind} of the denoiser", Read("loss"), (whole.Sum / whole.Count).view(1), absolute: BoundTolerance);
            var split = NegativeElbo.Of(new SplitTableDenoiser(golden.Tensor("logits"), maskId), x0, levels, Read("u_mask"), counted.ne(0));
            Close.Check($"{kind} of the split denoiser", Read("loss"), (split.Sum / split.Count).view(1), absolute: BoundTolerance);
        }
    }
}
