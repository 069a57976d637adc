using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The golden checks of the transformer and of the weight average.</summary>
internal static class TransformerGolden
{
    private const double LogitTolerance = 2e-5;
    private const double GradientTolerance = 1e-4;
    private const double AverageTolerance = 1e-6;

    /// <summary>Makes the transformer that a golden file's weights fit and loads them.</summary>
    internal static DiffusionTransformer Load(GoldenCase golden, string prefix)
    {
        var ours = MdlmKeyMap.Map.ToOurs(golden.Names(prefix).ToDictionary(name => name[prefix.Length..], golden.Tensor));
        var embedding = ours["vocab_embed.embedding"];
        var transformer = new DiffusionTransformer(new DiffusionTransformerOptions
        {
            VocabSize = embedding.size(0),
            ModelDim = embedding.size(1),
            LayerCount = ours.Keys.Count(name => name.EndsWith("attn_qkv.weight", StringComparison.Ordinal)),
            HeadCount = int.Parse(golden.Metadata["heads"], System.Globalization.CultureInfo.InvariantCulture),
            ConditionDim = ours["sigma_map.mlp.2.weight"].size(0),
        });
        CheckpointLoader.Load(transformer, ours);
        transformer.eval();
        return transformer;
    }

    internal static void Forward(GoldenCase golden)
    {
        using var transformer = Load(golden, "w.");
        var (x, sigma) = (golden.Tensor("x"), golden.Tensor("sigma"));
        var condition = transformer.Condition(sigma);
        Close.Check("t_emb", golden.Tensor("t_emb"), condition, absolute: LogitTolerance);
        Close.Check("block0", golden.Tensor("block0"), transformer.Trunk(x, condition, 1), absolute: LogitTolerance);
        Close.Check("logits_sigma0", golden.Tensor("logits_sigma0"), transformer.call(x, zeros(1)), absolute: LogitTolerance);

        var logits = transformer.call(x, sigma);
        logits.backward([golden.Tensor("cotangent")]);

        Close.Check("logits", golden.Tensor("logits"), logits, absolute: LogitTolerance);
        foreach (var (name, parameter) in transformer.named_parameters())
            Close.Check($"grad.{name}", golden.Tensor($"grad.{name}"), parameter.grad!, absolute: GradientTolerance);
    }

    internal static void SoftInput(GoldenCase golden)
    {
        using var transformer = Load(golden, "w.");
        var sigma = golden.Tensor("sigma");
        Close.Check("logits", golden.Tensor("logits"), transformer.call(golden.Tensor("x"), sigma), absolute: LogitTolerance);
        Close.Check("logits_soft", golden.Tensor("logits_soft"), transformer.call(golden.Tensor("soft_logits"), sigma), absolute: LogitTolerance);
    }

    internal static void Average(GoldenCase golden)
    {
        using var pair = new ParameterPair(golden.Tensor("init.0"), golden.Tensor("init.1"));
        using var average = new WeightAverage(pair, 0.9999);
        for (var step = 0; golden.Has($"step{step}.param.0"); step++)
        {
            pair.Set(golden.Tensor($"step{step}.param.0"), golden.Tensor($"step{step}.param.1"));
            average.Update();
            Close.Check($"step{step}.shadow.0", golden.Tensor($"step{step}.shadow.0"), average.Tensors["first"], absolute: AverageTolerance);
            Close.Check($"step{step}.shadow.1", golden.Tensor($"step{step}.shadow.1"), average.Tensors["second"], absolute: AverageTolerance);
        }
    }

    /// <summary>The DiDi-Instruct lineage decays twice an update, first by the raw decay: a documented defect that the average here does not have.</summary>
    internal static void DoubleAverage(GoldenCase golden)
    {
        using var pair = new ParameterPair(golden.Tensor("init"), zeros(1));
        using var average = new WeightAverage(pair, 0.999);
        var shadow = golden.Tensor("init");
        for (var step = 0; golden.Has($"step{step}.param"); step++)
        {
            var parameter = golden.Tensor($"step{step}.param");
            foreach (var decay in new[] { 0.999, Math.Min(0.999, (2.0 + step) / (11.0 + step)) })
                shadow -= (shadow - parameter) * (1 - decay);
            pair.Set(parameter, zeros(1));
            average.Update();
            Close.Check($"step{step}.shadow", golden.Tensor($"step{step}.shadow"), shadow, absolute: AverageTolerance);
        }
        Assert.True((average.Tensors["first"] - shadow).abs().max().item<float>() > 1e-5);
    }

    private sealed class ParameterPair : nn.Module
    {
        private readonly Parameter first;
        private readonly Parameter second;

        internal ParameterPair(Tensor first, Tensor second)
            : base(nameof(ParameterPair))
        {
            (this.first, this.second) = (new Parameter(first.clone()), new Parameter(second.clone()));
            RegisterComponents();
        }

        internal void Set(Tensor newFirst, Tensor newSecond)
        {
            using var frozen = no_grad();
            first.copy_(newFirst);
            second.copy_(newSecond);
        }
    }
}
