using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>LoRA and Monarch at the head are what they are at any other linear.</summary>
[NoTensorLeak]
public class HeadCompositionTests
{
    [Theory]
    [InlineData("lora", true)]
    [InlineData("lora", false)]
    [InlineData("monarch", false)]
    [InlineData("lora on monarch", false)]
    [InlineData("lora on packed", true)]
    [InlineData("lora on packed", false)]
    public void Losses_in_chunks_gradients_training_and_folders_are_those_of_any_head(string head, bool isTied)
    {
        using var scope = NewDisposeScope();
        var folder = Directory.CreateTempSubdirectory("lmkit-head-");
        using var model = Model(head, isTied);
        using var random = new Generator(3);
        var tokens = randint(0, 20, [2, 8], ScalarType.Int64, generator: random);
        foreach (var (name, parameter) in model.named_parameters().Where(entry => entry.name.StartsWith(LinearSite.Head, StringComparison.Ordinal)))
        {
            using var frozen = no_grad();
            _ = parameter.add_(randn(parameter.shape, parameter.dtype, generator: random) * 0.1); // an adapter starts as nothing
        }
        var whole = Gradients(model, tokens, 1000);
        var chunked = Gradients(model, tokens, 3);
        Assert.Equal(whole.Keys, chunked.Keys);
        Assert.Contains(whole.Keys, name => name.StartsWith(LinearSite.Head, StringComparison.Ordinal));
        foreach (var (name, gradient) in whole)
            Close.Check(name, gradient, chunked[name], absolute: 1e-12);

        var first = Loss(model, tokens);
        using (var optimizer = optim.SGD(model.HeadParameters.Where(parameter => parameter.requires_grad), 0.05))
        {
            for (var step = 0; step < 20; step++)
            {
                model.zero_grad();
                using var inner = NewDisposeScope();
                NextTokenLoss.Of(model, tokens, chunkRows: 4).Sum.backward();
                _ = optimizer.step();
            }
        }
        model.zero_grad();
        var last = Loss(model, tokens);
        Assert.True(last < 0.95 * first, $"{first} became {last}.");

        using var still = no_grad();
        model.Save(folder.FullName);
        using var loaded = LanguageModel.Load(folder.FullName, kinds => kinds.AddStructured().AddTuning());
        Assert.Equal(model.Config, loaded.Config);
        Close.Check("logits", model.call(tokens, null), loaded.call(tokens, null));
        folder.Delete(recursive: true);
    }

    [Fact]
    public void A_monarch_linear_at_a_tied_head_is_refused_by_both_names()
    {
        var error = Assert.Throws<ConfigurationException>(() => Model("monarch", isTied: true));

        Assert.Contains("'monarch'", error.Message, StringComparison.Ordinal);
        Assert.Contains("LanguageModelOptions.IsHeadTied = true ($.model.tie_word_embeddings)", error.Message, StringComparison.Ordinal);
        Assert.Contains(LinearSite.Head, error.Message, StringComparison.Ordinal);
    }

    private static LanguageModel Model(string head, bool isTied)
    {
        var builder = new LanguageModelBuilder { VocabSize = 20, ModelDim = 10, LayerCount = 1, Dtype = ScalarType.Float64 };
        (builder.Options.IsHeadTied, builder.Options.InitializerRange) = (isTied, 0.3);
        _ = builder.AddAttention(attention => attention.HeadCount = 2).AddLinearHead(options => options.SoftCap = 6);
        if (head.Contains("monarch", StringComparison.Ordinal))
            _ = builder.AddMonarchLinear(sites: [LinearSite.Head]);
        if (head.Contains("packed", StringComparison.Ordinal))
            _ = builder.AddPackedLinear(sites: [LinearSite.Head]);
        if (head.Contains("lora", StringComparison.Ordinal))
            _ = builder.UseLora(lora => (lora.Rank, lora.DropoutRate) = (2, 0), sites: [LinearSite.Head]);
        return builder.Build();
    }

    private static double Loss(LanguageModel model, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        return NextTokenLoss.Of(model, tokens).Sum.item<double>();
    }

    private static Dictionary<string, Tensor> Gradients(LanguageModel model, Tensor tokens, long chunk)
    {
        model.zero_grad();
        NextTokenLoss.Of(model, tokens, chunkRows: chunk).Sum.backward();
        KernelFunction.ThrowIfFailed();
        var gradients = model.named_parameters().Where(entry => entry.parameter.grad is not null).ToDictionary(entry => entry.name, entry => entry.parameter.grad!.clone());
        model.zero_grad();
        return gradients;
    }
}
