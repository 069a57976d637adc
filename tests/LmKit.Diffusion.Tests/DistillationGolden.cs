using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The golden checks of the discriminator, the distillation step and guided sampling.</summary>
internal static class DistillationGolden
{
    private const double Single = 1e-5;
    private const double Value = 1e-6;
    private const double Gradient = 1e-7;

    internal static Discriminator Load(GoldenCase golden, string prefix)
    {
        var tensors = golden.Tensors(prefix);
        var embedding = tensors["vocab_embed.embedding"];
        var discriminator = DistillerRun.Untaught(new DiffusionTransformerOptions
        {
            VocabSize = embedding.size(0),
            ModelDim = embedding.size(1),
            LayerCount = tensors.Keys.Count(name => name.EndsWith("attn_qkv.weight", StringComparison.Ordinal)),
            HeadCount = (int)golden.Options.Whole("heads"),
            ConditionDim = tensors["sigma_map.mlp.2.weight"].size(0),
            DropoutRate = 0,
        });
        CheckpointLoader.Load(discriminator.Model, MdlmKeyMap.Map.ToOurs(tensors));
        discriminator.eval();
        return discriminator;
    }

    internal static void Discriminators(GoldenCase golden)
    {
        using var discriminator = Load(golden, "w.");
        var sigma = golden.Tensor("sigma");
        var logit = discriminator.call(golden.Tensor("x"), sigma);
        Close.Check("logit", golden.Tensor("logit"), logit, absolute: Single);
        Close.Check("logit_soft", golden.Tensor("logit_soft"), discriminator.call(golden.Tensor("soft_logits"), sigma), absolute: Single);
        foreach (var name in golden.Names("bce_label"))
            golden.Check(name, nn.functional.softplus(logit) - logit * double.Parse(name.AsSpan("bce_label".Length), CultureInfo.InvariantCulture), absolute: Single);
        Close.Check("head_out_eval", golden.Tensor("head_out_eval"), discriminator.Model.Logits(golden.Tensor("head_in")), absolute: Single);

        var state = discriminator.Model.state_dict();
        using (no_grad())
        {
            foreach (var k in golden.Names("train.u_before.").Select(name => name["train.u_before.".Length..]))
                state[$"lm_head.{k}.weight_u"].copy_(golden.Tensor($"train.u_before.{k}"));
        }
        discriminator.train();
        Close.Check("head_out_train", golden.Tensor("head_out_train"), discriminator.Model.Logits(golden.Tensor("head_in")), absolute: Single);
        foreach (var k in golden.Names("train.u_before.").Select(name => name["train.u_before.".Length..]))
        {
            Close.Check($"u_after.{k}", golden.Tensor($"train.u_after.{k}"), state[$"lm_head.{k}.weight_u"], absolute: Single);
            Close.Check($"v_after.{k}", golden.Tensor($"train.v_after.{k}"), state[$"lm_head.{k}.weight_v"], absolute: Single);
        }
    }

    internal static void TrainStep(GoldenCase golden)
    {
        var (maskId, schedule, tau, options) = ((long)golden.Number("mask_index"), new LogLinearSchedule(), golden.Tensor("tau"), golden.Options);
        var groupSize = (int)options.Whole("G");
        options.Agrees("prompts", tau.size(0) / groupSize);
        var logits = new[] { golden.Tensor("student_logits1").requires_grad_(), golden.Tensor("student_logits2").requires_grad_() };
        var start = full_like(golden.Tensor("x_tau"), maskId);
        Tensor Alpha(Tensor times) => NoiseSchedule.Map(times, schedule.Alpha).view(-1, 1);
        Close.Check("alpha_tau", golden.Tensor("alpha_tau"), Alpha(tau).view(-1), absolute: Value);

        var subs1 = SubsParameterization.Apply(logits[0], start, maskId);
        var first = ScoredDraw.Of(subs1, start, Alpha(ones_like(tau)), Alpha(tau), maskId, golden.Tensor("u_step1"), countsStaying: true);
        Close.Check("x_tau", golden.Tensor("x_tau"), first.Tokens);
        var subs2 = SubsParameterization.Apply(logits[1], first.Tokens, maskId);
        var second = ScoredDraw.Of(subs2, first.Tokens, Alpha(tau), Alpha(full_like(tau, 1e-3)), maskId, golden.Tensor("u_step2"), countsStaying: true);
        Close.Check("x0_fake", golden.Tensor("x0_fake"), second.Tokens);
        Close.Check("logp1", golden.Tensor("logp1"), first.LogProbability, absolute: Value);
        Close.Check("logp2", golden.Tensor("logp2"), second.LogProbability, absolute: Value);

        var share = 1 - golden.Tensor("alpha_tau");
        Close.Check("z_fake", golden.Tensor("z_fake"), MaskingProcess.Corrupt(second.Tokens, share, maskId, golden.Tensor("u_corrupt_fake")));
        var (maskReal, maskFake) = (golden.Tensor("mask_real"), golden.Tensor("mask_fake"));
        golden.Equal("x0_real without masks", new[] { false }, new[] { golden.Tensor("x0_real").eq(maskId).any().item<bool>() });
        Close.Check("mask_fake", maskFake.to(ScalarType.Int64), golden.Tensor("z_fake").eq(maskId).to(ScalarType.Int64));
        Close.Check("mask_real", maskReal.to(ScalarType.Int64), golden.Tensor("u_corrupt_real").lt(share.view(-1, 1)).to(ScalarType.Int64));

        var (real, fake) = (golden.Tensor("disc_real").requires_grad_(), golden.Tensor("disc_fake").requires_grad_());
        var loss = DistillationLosses.Discriminator(real, fake, options.Number("label_smoothing"), maskReal, maskFake);
        loss.backward();
        Close.Check("loss_d", golden.Tensor("loss_d"), loss.view(1), absolute: 1e-10);
        Close.Check("grad_disc_real", golden.Tensor("grad_disc_real"), real.grad!, absolute: 1e-10);
        Close.Check("grad_disc_fake", golden.Tensor("grad_disc_fake"), fake.grad!, absolute: 1e-10);

        var reward = DivergenceReward.OfMasked(golden.Tensor("reward_logits"), maskFake);
        Close.Check("reward", golden.Tensor("reward"), reward, absolute: Gradient);
        var advantage = GroupedRewardNormalization.Advantages(reward, groupSize);
        Close.Check("advantage", golden.Tensor("advantage"), advantage, absolute: Gradient);
        var omega = DistillationLosses.TimeWeight(schedule, tau);
        Close.Check("omega", golden.Tensor("omega"), omega, relative: Value);

        var policy = DistillationLosses.PolicyGradient(omega, advantage, first.LogProbability + second.LogProbability);
        Close.Check("loss_pg", golden.Tensor("loss_pg"), policy.view(1), absolute: Value, relative: Value);
        policy.backward(retain_graph: true);
        CheckGradients("grad_pg");

        var masks = new[] { start.eq(maskId), first.Tokens.eq(maskId) };
        var (students, states) = (new[] { subs1, subs2 }, new[] { start, first.Tokens });
        var raw = new Tensor[2];
        for (var k = 0; k < 2; k++)
        {
            var teacher = golden.Tensor($"teacher_logits{k + 1}");
            raw[k] = DistillationLosses.KullbackLeibler(teacher.log_softmax(-1), ScoredDraw.Smoothed(students[k]), masks[k]);
            Close.Check($"kl_step{k + 1}", golden.Tensor($"kl_step{k + 1}"), raw[k].view(1), absolute: Value);
            var clean = DistillationLosses.KullbackLeibler(SubsParameterization.Apply(teacher, states[k], maskId), students[k], masks[k]);
            Close.Check($"kl_step{k + 1}_subs", golden.Tensor($"kl_step{k + 1}_subs"), clean.view(1), absolute: Value);
        }
        var divergence = raw[0] * options.Number("kl_hi") + raw[1] * options.Number("kl_lo");
        Close.Check("loss_kl", golden.Tensor("loss_kl"), divergence.view(1), absolute: Value);
        var entropy = (DistillationLosses.Entropy(ScoredDraw.Smoothed(subs1), masks[0]) + DistillationLosses.Entropy(ScoredDraw.Smoothed(subs2), masks[1])) / 2;
        Close.Check("entropy", golden.Tensor("entropy"), entropy.view(1), absolute: Value);
        foreach (var leaf in logits)
            leaf.grad!.zero_();
        var total = policy + divergence * options.Number("kl_beta") - entropy * options.Number("entropy_beta");
        total.backward();
        Close.Check("total", golden.Tensor("total"), total.view(1), absolute: Value, relative: Value);
        CheckGradients("grad_total");

        void CheckGradients(string name)
        {
            for (var k = 0; k < 2; k++)
                Close.Check($"{name}{k + 1}", golden.Tensor($"{name}{k + 1}"), logits[k].grad!, absolute: Gradient, relative: Value);
        }
    }

    internal static void GuidedStep(GoldenCase golden)
    {
        using var student = TransformerGolden.Load(golden, "student.");
        using var discriminator = Load(golden, "disc.");
        var (x, maskId, schedule) = (golden.Tensor("x"), (long)golden.Number("mask_index"), new LogLinearSchedule());
        var (t, dt) = (golden.Tensor("t"), golden.Tensor("dt"));
        var logits = student.call(x, new SequenceContext { Level = golden.Tensor("sigma_t") });
        Close.Check("student_logits", golden.Tensor("student_logits"), logits, absolute: Single);
        Tensor Alpha(Tensor times) => NoiseSchedule.Map(times, schedule.Alpha);
        golden.Check("sigma_t", NoiseSchedule.Map(t, schedule.Sigma).view(-1), absolute: Single);
        golden.Check("sigma_s", NoiseSchedule.Map(t - dt, schedule.Sigma).view(-1), absolute: Single);
        Tensor Weights(Tensor outputs) => DiffusionSteps.Ancestral(outputs.log_softmax(-1), Alpha(t), Alpha(t - dt), maskId);
        Tensor Draw(Tensor weights, string name) => where(x.eq(maskId), CategoricalDraw.Sample(weights, golden.Tensor($"{name}.u_tokens")), x);

        Close.Check("plain.q", golden.Tensor("plain.q"), Weights(logits), absolute: Single);
        Close.Check("plain.x_next", golden.Tensor("plain.x_next"), Draw(Weights(logits), "plain"));

        var gradient = RewardGuidance.Gradient(discriminator, logits, x, golden.Tensor("sigma_t"), maskId);
        Close.Check("tilt.grad", golden.Tensor("tilt.grad"), gradient, absolute: Single);
        var certain = where(x.eq(maskId).unsqueeze(-1), logits, nn.functional.one_hot(x, logits.size(-1)).to(logits.dtype) * 1e9);
        golden.Check("tilt.disc_logit", discriminator.call(certain, golden.Tensor("sigma_t")), absolute: Single);
        var tilted = Weights(RewardGuidance.Tilt(logits, gradient, golden.Number("h")));
        Close.Check("tilt.q", golden.Tensor("tilt.q"), tilted, absolute: Single);
        Close.Check("tilt.x_next", golden.Tensor("tilt.x_next"), Draw(tilted, "tilt"));
        Assert.All(discriminator.parameters(), parameter => Assert.Null(parameter.grad));

        Close.Check("rerank.q", golden.Tensor("rerank.q"), Weights(logits), absolute: Single);
        var candidates = RewardGuidance.Candidates(Weights(logits), x, golden.Tensor("rerank.u_tokens"), maskId);
        golden.Check("rerank.candidates", candidates);
        golden.Check("M", candidates.size(1), 0);
        var flat = candidates.view(-1, x.size(1));
        var scored = discriminator.call(flat, golden.Tensor("sigma_s").repeat_interleave(candidates.size(1))).view(candidates.shape);
        Close.Check("rerank.disc_logit", golden.Tensor("rerank.disc_logit"), scored, absolute: Single);
        Close.Check("rerank.prob", golden.Tensor("rerank.prob"), scored.sum(2).softmax(-1), absolute: Single);
        var chosen = RewardGuidance.Choose(candidates, scored.sum(2), golden.Tensor("rerank.u_choice"));
        golden.Check("rerank.x_next", chosen);
        golden.Check("rerank.choice", CategoricalDraw.Sample(scored.sum(2).softmax(-1), golden.Tensor("rerank.u_choice")).view(-1));
    }

    internal static void GuidedLoop(GoldenCase golden)
    {
        using var student = TransformerGolden.Load(golden, "student.");
        using var discriminator = Load(golden, "disc.");
        var (settings, steps) = (golden.Options, (int)golden.Options.Whole("steps"));
        var sampler = new RewardGuidedSampler(new LanguageModelDenoiser(student, (long)golden.Number("mask_index")), discriminator, new RewardGuidedSamplerOptions
        {
            StepCount = steps,
            EndTime = settings.Number("eps"),
            RerankingShare = settings.Number("rerank_ratio"),
            TiltStart = settings.Number("h_start"),
            TiltEnd = settings.Number("h_end"),
            CandidateCount = (int)settings.Whole("M"),
            UsesRawOutputs = true,
            StopsWhenComplete = false,
        });
        var (trace, step, drawn, ledger) = (golden.Tensor("trace"), 0, 0, new CallLedger());
        var guidance = Enumerable.Range(0, steps).Select(sampler.Guidance).ToList();
        golden.Check("hM", tensor(guidance.SelectMany(one => new[] { one.Scale, one.CandidateCount }).ToArray()).view(steps, 2), absolute: Single);
        foreach (var grid in sampler.Replay(full(trace.size(1), 0, 0, ScalarType.Int64), trace.size(2), _ => golden.Tensor($"u.{drawn++}"), ledger))
        {
            Close.Check($"step {step}", step < steps ? trace[step] : golden.Tensor("x"), grid);
            grid.Dispose();
            step++;
        }
        var (tilting, ranking) = (guidance.Count(one => one.Scale != 0), guidance.Count(one => one.CandidateCount > 1));
        Assert.Equal((steps + 1, steps + ranking + 1), (step, drawn));
        Assert.Equal((steps, 1, tilting + ranking, tilting), (ledger.DenoiserForwards, ledger.NoiseRemovalForwards, ledger.DiscriminatorForwards, ledger.DiscriminatorBackwards));
        Assert.Equal(guidance.Where(one => one.CandidateCount > 1).Sum(one => one.CandidateCount) * trace.size(1), ledger.RankedSequences);
    }
}
