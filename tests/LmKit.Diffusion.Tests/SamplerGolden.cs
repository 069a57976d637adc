using System.Globalization;
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

        golden.Options.Describe("formula"); // of the draw, as the data's README states it for all files
        foreach (var name in golden.Names().Where(name => name.EndsWith(".q", StringComparison.Ordinal)).Select(name => name[..^".q".Length]))
        {
            var (weights, keeps) = name switch
            {
                "ddpm" => (DiffusionSteps.Ancestral(logProbabilities, At(t, schedule.Alpha), At(s, schedule.Alpha), maskId), true),
                "ddpm_cache" => (DiffusionSteps.Ancestral(logProbabilities, 1 - t, 1 - s, maskId), true),
                "analytic" => (DiffusionSteps.Analytic(score, x, At(t, schedule.Sigma) - At(s, schedule.Sigma), maskId), false),
                "denoiser" => (DiffusionSteps.Analytic(score, x, At(t, schedule.Sigma), maskId, isLast: true), false),
                _ => throw new ArgumentException($"{golden.Path} names the sampler '{name}'; those computed are ddpm, ddpm_cache, analytic and denoiser."),
            };
            CheckStep(name, weights, keeps);
        }

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
        var denoiser = new LanguageModelDenoiser(transformer, (long)golden.Number("mask_index"));
        var (steps, end) = ((int)golden.Options.Whole("steps"), golden.Options.Number("eps"));
        var options = new DiffusionSamplerOptions { StepCount = steps, EndTime = end, StopsWhenComplete = false };
        var cached = new CachedAncestralSamplerOptions { StepCount = steps, EndTime = end, StopsWhenComplete = false };
        foreach (var name in golden.Names().Where(name => name.EndsWith(".trace", StringComparison.Ordinal)).Select(name => name[..^".trace".Length]))
        {
            DiffusionSampler sampler = name switch
            {
                "ddpm" => new AncestralSampler(denoiser, options),
                "ddpm_cache" => new CachedAncestralSampler(denoiser, cached),
                "analytic" => new AnalyticSampler(denoiser, options),
                _ => throw new ArgumentException($"{golden.Path} names the sampler '{name}'; those computed are ddpm, ddpm_cache and analytic."),
            };
            var (uniforms, trace, drawn) = (golden.Tensor($"{name}.u"), golden.Tensor($"{name}.trace"), 0);
            var ledger = new CallLedger();
            var prompt = full(trace.size(1), 0, 0, ScalarType.Int64);
            var step = 0;
            foreach (var grid in sampler.Replay(prompt, trace.size(2), shape => uniforms[drawn++].clone(), ledger))
            {
                Close.Check($"{name} step {step}", step < steps ? trace[step] : golden.Tensor($"{name}.x"), grid);
                grid.Dispose();
                step++;
            }
            Assert.Equal(steps + 1, step);
            Assert.Equal(uniforms.size(0), drawn);
            golden.Check($"{name}.nfe", ledger.DenoiserForwards + ledger.NoiseRemovalForwards, 0);
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

    /// <summary>Steps named <c>remdm-cap.t0.75</c>: a strategy, and the time before the step.</summary>
    internal static void Remasking(GoldenCase golden)
    {
        var (x, maskId) = (golden.Tensor("xt"), (long)golden.Number("mask_index"));
        var (eta, dt, isMasked) = (golden.Options.Number("eta"), golden.Options.Number("dt"), x.eq(maskId));
        var probabilities = DiffusionTruncation.Apply(SubsParameterization.Apply(golden.Tensor("logits"), x, maskId), 1, golden.Options.Number("nucleus_p")).exp();
        foreach (var at in golden.Names().Where(name => name.EndsWith(".q", StringComparison.Ordinal)).Select(name => name[..^".q".Length]))
        {
            var cut = at.IndexOf(".t", StringComparison.Ordinal);
            var t = double.Parse(at.AsSpan(cut + ".t".Length), CultureInfo.InvariantCulture);
            var strategy = StrategyOf(golden, at[..cut]);
            var (before, after) = (1 - t, 1 - (t - dt));
            var (confidence, uniforms) = (golden.Tensor($"{at}.conf_before").neg(), golden.Tensor(golden.Has($"{at}.u") ? $"{at}.u" : "u"));
            Tensor weights, next;
            if (strategy is { } kind)
            {
                var sigma = RemaskingSteps.Sigma(kind, eta, before, after, confidence.masked_fill(isMasked, 0), isMasked);
                weights = RemaskingSteps.Weights(probabilities, sigma, before, after, isMasked, maskId);
                next = CategoricalDraw.Sample(weights, uniforms);
            }
            else
            {
                weights = DiffusionSteps.Ancestral(probabilities.log(), tensor(before), tensor(after), maskId);
                next = where(isMasked, CategoricalDraw.Sample(weights, uniforms), x);
            }
            golden.Check($"{at}.q", weights, absolute: RemaskingTolerance);
            golden.Check($"{at}.x_next", next);
            // Only the strategy that goes by confidence keeps an account of it.
            var kept = confidence;
            if (strategy == RemaskingStrategy.Confidence)
            {
                var picked = probabilities.gather(-1, next.unsqueeze(-1)).squeeze(-1);
                kept = where(isMasked.logical_and(next.ne(maskId)), picked, confidence).masked_fill(next.eq(maskId), double.PositiveInfinity);
            }
            golden.Check($"{at}.conf_after", kept.neg(), absolute: RemaskingTolerance);
        }
    }

    private static RemaskingStrategy? StrategyOf(GoldenCase golden, string name) => name switch
    {
        "mdlm" => null,
        "remdm-cap" => RemaskingStrategy.Cap,
        "remdm-rescale" => RemaskingStrategy.Rescale,
        "remdm-conf" => RemaskingStrategy.Confidence,
        "forward-backward" or "remdm-forward-backward" => RemaskingStrategy.ForwardBackward,
        _ => throw new ArgumentException($"{golden.Path} names the strategy '{name}'; those computed are mdlm, remdm-cap, remdm-rescale, remdm-conf and forward-backward."),
    };
}
