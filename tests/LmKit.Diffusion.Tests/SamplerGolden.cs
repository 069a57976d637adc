using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The golden checks of sampler steps and loops.</summary>
internal static class SamplerGolden
{
    private const double Exact = 1e-12;
    private const double RemaskingTolerance = 1e-10;

    internal static void Steps(GoldenCase golden)
    {
        var (x, t, maskId) = (golden.Tensor("xt"), golden.Tensor("t"), (long)golden.Number("mask_index"));
        var schedule = new LogLinearSchedule();
        var s = t - golden.Tensor("dt");
        Tensor At(Tensor times, Func<double, double> function) => NoiseSchedule.Map(times, function);
        var logProbabilities = SubsParameterization.Apply(golden.Tensor("logits"), x, maskId);
        var score = DiffusionSteps.Score(logProbabilities, x, At(t, schedule.Sigma), maskId);
        Close.Check("score", golden.Tensor("score"), score, absolute: Exact, relative: Exact);

        CheckStep("ddpm", DiffusionSteps.Ancestral(logProbabilities, At(t, schedule.Alpha), At(s, schedule.Alpha), maskId), keeps: true);
        CheckStep("ddpm_cache", DiffusionSteps.Ancestral(logProbabilities, 1 - t, 1 - s, maskId), keeps: true);
        CheckStep("analytic", DiffusionSteps.Analytic(score, x, At(t, schedule.Sigma) - At(s, schedule.Sigma), maskId), keeps: false);
        CheckStep("denoiser", DiffusionSteps.Analytic(score, x, At(t, schedule.Sigma), maskId, isLast: true), keeps: false);

        void CheckStep(string name, Tensor weights, bool keeps)
        {
            Close.Check($"{name}.q", golden.Tensor($"{name}.q"), weights, absolute: Exact, relative: Exact);
            var drawn = CategoricalDraw.Sample(weights, golden.Tensor($"{name}.u"));
            Close.Check($"{name}.x_next", golden.Tensor($"{name}.x_next"), keeps ? where(x.eq(maskId), drawn, x) : drawn);
        }
    }

    internal static void Loops(GoldenCase golden)
    {
        using var transformer = TransformerGolden.Load(golden, "w.");
        var denoiser = new TransformerDenoiser(transformer, (long)golden.Number("mask_index"));
        var options = new DiffusionSamplerOptions { StepCount = 8, StopsWhenComplete = false };
        var cached = new CachedAncestralSamplerOptions { StepCount = 8, StopsWhenComplete = false };
        foreach (var (name, sampler) in new Dictionary<string, DiffusionSampler>
        {
            ["ddpm"] = new AncestralSampler(denoiser, options),
            ["ddpm_cache"] = new CachedAncestralSampler(denoiser, cached),
            ["analytic"] = new AnalyticSampler(denoiser, options),
        })
        {
            var (uniforms, trace, drawn) = (golden.Tensor($"{name}.u"), golden.Tensor($"{name}.trace"), 0);
            var ledger = new CallLedger();
            var prompt = full(trace.size(1), 0, 0, ScalarType.Int64);
            var step = 0;
            foreach (var grid in sampler.Replay(prompt, trace.size(2), shape => uniforms[drawn++].clone(), ledger))
            {
                Close.Check($"{name} step {step}", step < 8 ? trace[step] : golden.Tensor($"{name}.x"), grid);
                grid.Dispose();
                step++;
            }
            Assert.Equal(9, step);
            Assert.Equal((long)golden.Number($"{name}.nfe"), ledger.DenoiserForwards + ledger.NoiseRemovalForwards);
        }
    }

    internal static void ByShare(GoldenCase golden)
    {
        var (x, t, maskId) = (golden.Tensor("xt"), golden.Tensor("t"), (long)golden.Number("mask_index"));
        var schedule = new LogLinearSchedule();
        var probabilities = SubsParameterization.Apply(golden.Tensor("logits"), x, maskId);
        Close.Check("p_x0", golden.Tensor("p_x0"), probabilities.exp(), absolute: Exact);
        Tensor Alpha(Tensor times) => NoiseSchedule.Map(times, schedule.Alpha);

        var weights = DiffusionSteps.Ancestral(probabilities, Alpha(t), Alpha(t - golden.Tensor("dt")), maskId);
        var next = where(x.eq(maskId), CategoricalDraw.Sample(weights, golden.Tensor("u")), x);
        Close.Check("x_next", golden.Tensor("x_next"), next);
        var last = where(x.eq(maskId), CategoricalDraw.Sample(probabilities.exp(), golden.Tensor("u_final")), x);
        Close.Check("x_final", golden.Tensor("x_final"), last);

        Close.Check("q.xt", golden.Tensor("q.xt"), MaskingProcess.Corrupt(golden.Tensor("q.x0"), 1 - golden.Tensor("q.alpha"), maskId, golden.Tensor("q.u")));
        var weight = (1 - 1e-3) / (1 - golden.Tensor("nll.alpha")).view(-1);
        Close.Check("nll.per_token", golden.Tensor("nll.per_token"), NegativeElbo.PerToken(golden.Tensor("nll.log_p"), golden.Tensor("q.x0"), weight), absolute: Exact, relative: Exact);
    }

    internal static void Remasking(GoldenCase golden)
    {
        var (x, maskId) = (golden.Tensor("xt"), (long)golden.Number("mask_index"));
        var isMasked = x.eq(maskId);
        foreach (var t in new[] { 0.75, 0.25 })
        {
            var probabilities = DiffusionTruncation.Apply(SubsParameterization.Apply(golden.Tensor("logits"), x, maskId), 1, 0.9).exp();
            foreach (var (name, strategy) in new (string, RemaskingStrategy?)[] { ("mdlm", null), ("remdm-cap", RemaskingStrategy.Cap), ("remdm-conf", RemaskingStrategy.Confidence) })
            {
                var at = FormattableString.Invariant($"{name}.t{t}");
                var (before, after) = (1 - t, 1 - (t - 0.125));
                var confidence = golden.Tensor($"{at}.conf_before").neg();
                Tensor weights, next;
                if (strategy is { } kind)
                {
                    var sigma = RemaskingSteps.Sigma(kind, 0.04, before, after, confidence.masked_fill(isMasked, 0), isMasked);
                    weights = RemaskingSteps.Weights(probabilities, sigma, before, after, isMasked, maskId);
                    next = CategoricalDraw.Sample(weights, golden.Tensor("u"));
                }
                else
                {
                    weights = DiffusionSteps.Ancestral(probabilities.log(), tensor(before), tensor(after), maskId);
                    next = where(isMasked, CategoricalDraw.Sample(weights, golden.Tensor("u")), x);
                }
                Close.Check($"{at}.q", golden.Tensor($"{at}.q"), weights, absolute: RemaskingTolerance);
                Close.Check($"{at}.x_next", golden.Tensor($"{at}.x_next"), next);
                if (strategy == RemaskingStrategy.Confidence)
                {
                    var picked = probabilities.gather(-1, next.unsqueeze(-1)).squeeze(-1);
                    var kept = where(isMasked.logical_and(next.ne(maskId)), picked, confidence).masked_fill(next.eq(maskId), double.PositiveInfinity);
                    Close.Check($"{at}.conf_after", golden.Tensor($"{at}.conf_after"), kept.neg(), absolute: RemaskingTolerance);
                }
            }
        }
    }
}
