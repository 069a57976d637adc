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
    internal static LanguageModel Load(GoldenCase golden, string prefix)
    {
        var published = golden.Tensors(prefix);
        var ours = MdlmKeyMap.Map.ToOurs(published);
        var embedding = ours["embeddings.word_embeddings.weight"];
        var options = new DiffusionTransformerOptions
        {
            VocabSize = embedding.size(0),
            ModelDim = embedding.size(1),
            LayerCount = ours.Keys.Count(name => name.EndsWith("q_proj.weight", StringComparison.Ordinal)),
            HeadCount = (int)golden.Options.Whole("heads"),
            ConditionDim = ours["conditioning.fc2.weight"].size(0),
        };
        var transformer = DiffusionTransformer.Build(options);
        foreach (var (key, value) in new (string, object)[] { ("hidden", options.ModelDim), ("blocks", options.LayerCount), ("cond_dim", options.ConditionDim), ("V", options.VocabSize), ("causal", false), ("time_conditioning", false) })
            golden.Options.Agrees(key, value);
        if (published.TryGetValue("rotary_emb.inv_freq", out var frequencies)) // stored though nothing trains it
            Close.Check("rotary_emb.inv_freq", frequencies, tensor(10_000.0).pow(arange(frequencies.size(0)).to(ScalarType.Float64) / -frequencies.size(0)), relative: 1e-6);
        CheckpointLoader.Load(transformer, ours);
        return transformer;
    }

    internal static Tensor Call(LanguageModel transformer, Tensor tokens, Tensor level) => transformer.call(tokens, new SequenceContext { Level = level });

    internal static void Forward(GoldenCase golden)
    {
        using var transformer = Load(golden, "w.");
        var (x, sigma) = (golden.Tensor("x"), golden.Tensor("sigma"));
        Close.Check("t_emb", golden.Tensor("t_emb"), transformer.Conditioning!.call(sigma), absolute: LogitTolerance);
        Close.Check("logits_sigma0", golden.Tensor("logits_sigma0"), Call(transformer, x, zeros(1)), absolute: LogitTolerance);

        Tensor? first = null;
        using var tap = transformer.HookPoints["layers.0.resid_post"].Attach(value =>
        {
            first = value.detach().clone().DetachFromDisposeScope();
            return value;
        });
        var logits = Call(transformer, x, sigma);
        logits.backward([golden.Tensor("cotangent")]);

        using (first)
            Close.Check("block0", golden.Tensor("block0"), first!, absolute: LogitTolerance);
        Close.Check("logits", golden.Tensor("logits"), logits, absolute: LogitTolerance);
        foreach (var (name, gradient) in MdlmKeyMap.Map.ToPublished(transformer.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.grad!)))
            Close.Check($"grad.{name}", golden.Tensor($"grad.{name}"), gradient, absolute: GradientTolerance);
    }

    internal static void SoftInput(GoldenCase golden)
    {
        using var transformer = Load(golden, "w.");
        var sigma = golden.Tensor("sigma");
        Close.Check("logits", golden.Tensor("logits"), Call(transformer, golden.Tensor("x"), sigma), absolute: LogitTolerance);
        Close.Check("logits_soft", golden.Tensor("logits_soft"), Call(transformer, golden.Tensor("soft_logits"), sigma), absolute: LogitTolerance);
    }

    internal static void Average(GoldenCase golden)
    {
        golden.Options.Describe("rule"); // the warm-up that WeightAverage has by default
        string[] names = [.. golden.Names("init.").Select(name => name["init.".Length..])];
        using var parameters = new FreeParameters(names.ToDictionary(name => name, name => golden.Tensor($"init.{name}")));
        using var average = new WeightAverage(parameters, golden.Options.Number("decay"));
        for (var step = 0; golden.Names($"step{step}.").Count > 0; step++)
        {
            foreach (var name in names)
                parameters.Set(name, golden.Tensor($"step{step}.param.{name}"));
            average.Update();
            foreach (var name in names)
                golden.Check($"step{step}.shadow.{name}", average.Tensors[FreeParameters.NameOf(name)], absolute: AverageTolerance);
        }
    }

    /// <summary>The DiDi-Instruct lineage decays twice an update, first by the raw decay: a documented defect that the average here does not have.</summary>
    internal static void DoubleAverage(GoldenCase golden)
    {
        var most = golden.Options.Number("decay");
        using var parameters = new FreeParameters(new Dictionary<string, Tensor> { ["0"] = golden.Tensor("init") });
        using var average = new WeightAverage(parameters, most);
        var shadow = golden.Tensor("init");
        for (var step = 0; golden.Has($"step{step}.param"); step++)
        {
            var parameter = golden.Tensor($"step{step}.param");
            foreach (var decay in new[] { most, Math.Min(most, (2.0 + step) / (11.0 + step)) })
                shadow -= (shadow - parameter) * (1 - decay);
            parameters.Set("0", parameter);
            average.Update();
            golden.Check($"step{step}.shadow", shadow, absolute: AverageTolerance);
        }
        Assert.True((average.Tensors[FreeParameters.NameOf("0")] - shadow).abs().max().item<float>() > 1e-5);
    }

    private sealed class FreeParameters : nn.Module
    {
        internal FreeParameters(Dictionary<string, Tensor> values)
            : base(nameof(FreeParameters))
        {
            foreach (var (name, value) in values)
                register_parameter(NameOf(name), new Parameter(value.clone()));
        }

        internal static string NameOf(string name) => $"parameter{name}";

        internal void Set(string name, Tensor value)
        {
            using var frozen = no_grad();
            _ = get_parameter(NameOf(name))!.copy_(value);
        }
    }
}
