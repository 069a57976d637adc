using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A new diffusion transformer's blocks are the identity and its logits zero, whatever linears stand in it.</summary>
[NoTensorLeak]
public sealed class ZeroStartTests
{
    [Theory]
    [InlineData("dense")]
    [InlineData("monarch")]
    [InlineData("packed")]
    [InlineData("lora")]
    public void A_new_transformer_changes_nothing_and_says_nothing(string linear)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        string[] outside = [LinearSite.Head, "ln_f.adaLN_modulation"];
        var builder = new LanguageModelBuilder { Dtype = ScalarType.Float64 }
            .AddDiffusionTransformer(sizes => (sizes.VocabSize, sizes.ModelDim, sizes.LayerCount, sizes.HeadCount, sizes.ConditionDim) = (12, 8, 2, 2, 8));
        _ = linear switch
        {
            "monarch" => builder.AddMonarchLinear(monarch => monarch.BlockCount = 2).AddMonarchLinear(monarch => monarch.BlockCount = 2, outside),
            "packed" => builder.AddPackedLinear().AddPackedLinear(sites: outside),
            "lora" => builder.UseLora(lora => lora.Rank = 2).UseLora(lora => lora.Rank = 2, outside),
            _ => builder,
        };
        using var model = builder.Build();
        using var random = new Generator(1);
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (name.Contains("norm", StringComparison.Ordinal))
                parameter.add_(rand(parameter.shape, parameter.dtype, generator: random)); // norms that do something
        }
        var states = new Dictionary<string, Tensor>();
        using var first = model.HookPoints["layers.0.resid_pre"].Attach(x => states["before"] = x.alias().DetachFromDisposeScope());
        using var last = model.HookPoints["layers.1.resid_post"].Attach(x => states["after"] = x.alias().DetachFromDisposeScope());

        var logits = model.call(tensor(new long[] { 1, 2, 3, 4 }, [1, 4]), new SequenceContext { Level = tensor(new[] { 0.7 }) });

        using var before = states["before"];
        using var after = states["after"];
        Assert.True(before.count_nonzero().item<long>() > 0);
        Close.Check("blocks", before, after, absolute: 0);
        Close.Check("logits", zeros(1, 4, 12, ScalarType.Float64), logits, absolute: 0);
    }
}
