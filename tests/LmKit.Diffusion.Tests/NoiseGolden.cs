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
        var t = golden.Tensor("t");
        foreach (var name in golden.Groups('.'))
        {
            // Where a file states nothing, the data's README: loglinear, cosine and cosinesqr (1e-3), linear (1e-3, 7), geometric (1e-4, 20).
            double Setting(string key, double published) => golden.Options.Number($"{name}.{key}", golden.Options.Number(key, published));
            NoiseSchedule schedule = name switch
            {
                "loglinear" => new LogLinearSchedule(Setting("eps", 1e-3)),
                "cosine" => new CosineNoiseSchedule(Setting("eps", 1e-3)),
                "cosinesqr" => new CosineSquaredSchedule(Setting("eps", 1e-3)),
                "linear" => new LinearNoiseSchedule(Setting("sigma_min", 1e-3), Setting("sigma_max", 7)),
                "geometric" => new GeometricSchedule(Setting("sigma_min", 1e-4), Setting("sigma_max", 20)),
                _ => throw new ArgumentException($"{golden.Path} names the schedule '{name}'; those computed are loglinear, cosine, cosinesqr, linear and geometric."),
            };
            Check($"{name}.sigma", schedule.Sigma);
            Check($"{name}.dsigma", schedule.SigmaRate);
            Check($"{name}.alpha", schedule.Alpha);
            if (golden.Has($"{name}.importance_t"))
                Check($"{name}.importance_t", schedule.ImportanceTime);
            foreach (var (end, value) in new[] { ("sigma_max", schedule.SigmaMax), ("sigma_min", schedule.SigmaMin) })
            {
                if (golden.Has($"{name}.{end}"))
                    golden.Check($"{name}.{end}", value, Exact);
            }
        }

        void Check(string name, Func<double, double> function) =>
            Close.Check(name, golden.Tensor(name), NoiseSchedule.Map(t, function), absolute: 1e-15, relative: Exact);
    }

    internal static void Times(GoldenCase golden)
    {
        foreach (var name in golden.Names("t.").Select(name => name["t.".Length..]))
        {
            // "anti1.imp0": stratified or not, by importance or not.
            var sampling = new TimeSampling(new LogLinearSchedule(), new TimeSamplingOptions
            {
                IsStratified = name.StartsWith("anti1.", StringComparison.Ordinal),
                Weighting = name.EndsWith(".imp1", StringComparison.Ordinal) ? LossWeighting.Importance : LossWeighting.Elbo,
                MinTime = golden.Options.Number("sampling_eps"),
            });
            Close.Check(name, golden.Tensor($"t.{name}"), sampling.Times(golden.Tensor($"u.{name}")), absolute: Exact);
        }
    }

    internal static void Subs(GoldenCase golden)
    {
        golden.Options.Agrees("neg_infinity", SubsParameterization.Impossible);
        Close.Check("log_p", golden.Tensor("log_p"), SubsParameterization.Apply(golden.Tensor("logits"), golden.Tensor("xt"), (long)golden.Number("mask_index")), absolute: Exact, relative: Exact);
    }

    internal static void Bound(GoldenCase golden)
    {
        var (x0, maskId, counted) = (golden.Tensor("x0"), (long)golden.Number("mask_index"), golden.Tensor("attention_mask"));
        foreach (var kind in golden.Groups('.'))
        {
            var options = new TimeSamplingOptions
            {
                MinTime = golden.Options.Number("sampling_eps"),
                IsStratified = golden.Options.Flag("antithetic", absent: true), // the official default
                Weighting = kind switch
                {
                    "importance" => LossWeighting.Importance,
                    "cov" => LossWeighting.ChangeOfVariables,
                    "elbo" or ['T', ..] => LossWeighting.Elbo,
                    _ => throw new ArgumentException($"{golden.Path} names the bound '{kind}'; those computed are elbo, importance, cov and T followed by a number of steps."),
                },
                DiscreteSteps = kind[0] == 'T' ? int.Parse(kind.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture) : 0,
            };
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
