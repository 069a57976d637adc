using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The head: its options, tied and untied, with any linear and any wrapper at <c>lm_head</c>.</summary>
[NoTensorLeak]
public class HeadTests
{
    private const double Tolerance = 1e-12;

    [Theory]
    [InlineData(true, false, 0, 1)]
    [InlineData(true, true, 2.5, 0.5)]
    [InlineData(false, false, 30, 1)]
    [InlineData(false, true, 0, -2)]
    public void The_head_is_its_formula(bool isTied, bool hasBias, double cap, double scale)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(isTied, builder => builder.AddLinearHead(head => (head.HasBias, head.SoftCap, head.Scale) = (hasBias, cap, scale)));
        var hidden = model.Hidden(LanguageModelTests.Tokens(2, 4));
        var expected = hidden.matmul(model.get_parameter(isTied ? "embeddings.word_embeddings.weight" : "lm_head.weight")!.t());
        if (hasBias)
        {
            model.get_parameter("lm_head.bias")!.copy_(linspace(-1, 1, ToyModel.VocabSize));
            expected += model.get_parameter("lm_head.bias")!;
        }
        expected *= scale;

        Assert.Equal(hasBias, model.get_parameter("lm_head.bias") is not null);
        Close.Check("logits", cap == 0 ? expected : (expected / cap).tanh() * cap, model.Logits(hidden), absolute: Tolerance);
    }

    public static TheoryData<string, bool> Heads
    {
        get
        {
            var heads = new TheoryData<string, bool> { { "third party", false } };
            foreach (var head in (string[])["plain", "bias and cap", "packed", "adapter", "adapter on packed"])
            {
                heads.Add(head, true);
                heads.Add(head, false);
            }
            return heads;
        }
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Whatever_stands_at_the_head_the_loss_in_chunks_has_the_gradients_of_the_whole(string head, bool isTied)
    {
        using var scope = NewDisposeScope();
        using var model = Model(isTied, builder => Put(builder, head));
        var (whole, gradients) = Pass(model, 1000);
        var (chunked, fromChunks) = Pass(model, 3);

        Close.Check("loss", whole, chunked, absolute: Tolerance);
        Assert.Equal(gradients.Keys, fromChunks.Keys);
        Assert.All(model.HeadParameters, parameter => Assert.Contains(gradients.Values, gradient => gradient.shape.SequenceEqual(parameter.shape)));
        foreach (var (name, gradient) in gradients)
            Close.Check(name, gradient, fromChunks[name], absolute: Tolerance);
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Whatever_stands_at_the_head_a_saved_model_loads_as_it_was(string head, bool isTied)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        using var model = Model(isTied, builder => Put(builder, head));
        var tokens = LanguageModelTests.Tokens(2, 4);
        model.Save(folder.Path);
        using var loaded = LanguageModel.Load(folder.Path, kinds => kinds.Add(ToyParts.Adapter).Add(ToyParts.Head));

        Assert.Equal(model.Config, loaded.Config);
        Assert.Equal(model.named_parameters().Select(entry => entry.name), loaded.named_parameters().Select(entry => entry.name));
        Close.Check("logits", model.call(tokens, null), loaded.call(tokens, null));
        LiveTensors.Unchanged("a call", () => model.call(tokens, null).Dispose());
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Whatever_stands_at_the_head_training_lowers_the_loss(string head, bool isTied)
    {
        using var scope = NewDisposeScope();
        using var model = Model(isTied, builder => Put(builder, head));
        using var optimizer = optim.SGD(model.HeadParameters, 0.05);
        var losses = new List<double>();
        for (var step = 0; step < 15; step++)
        {
            using var inner = NewDisposeScope();
            model.zero_grad();
            var loss = NextTokenLoss.Of(model, LanguageModelTests.Tokens(2, 6), chunkRows: 4).Sum;
            loss.backward();
            _ = optimizer.step();
            losses.Add(loss.item<double>());
        }
        model.zero_grad();

        Assert.True(losses[^1] < 0.95 * losses[0], $"{losses[0]} became {losses[^1]}.");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_linear_at_a_head_with_an_adapter_is_its_dense_form(bool isTied)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(isTied, builder => builder.Add(ToyParts.Adapter, sites: [LinearSite.Head]));
        var hidden = model.Hidden(LanguageModelTests.Tokens(2, 4));
        var adapter = Adapter(model);

        Close.Check("logits", hidden.matmul(adapter.ToDense().t()), model.Logits(hidden), absolute: Tolerance);
        Assert.Equal(3, model.HeadParameters.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [MayLeakTensors] // autograd.grad gives an empty handle for what nothing read, and TorchSharp counts it for good
    public void A_part_of_the_head_that_a_call_does_not_read_gets_no_gradient(bool isTied)
    {
        using var scope = NewDisposeScope();
        using var model = Model(isTied, builder => builder.Add(ToyParts.Adapter, sites: [LinearSite.Head]));
        Adapter(model).IsOn = false;
        var (whole, gradients) = Pass(model, 1000);
        var (chunked, fromChunks) = Pass(model, 3);

        Close.Check("loss", whole, chunked, absolute: Tolerance);
        Assert.DoesNotContain("lm_head.up", fromChunks.Keys);
        Assert.Equal(gradients.Keys, fromChunks.Keys);
    }

    private static ToyAdapter Adapter(LanguageModel model) => model.named_modules().Select(entry => entry.module).OfType<ToyAdapter>().Single();

    private static void Put(LanguageModelBuilder builder, string head) => _ = head switch
    {
        "plain" => builder,
        "bias and cap" => builder.AddLinearHead(options => (options.HasBias, options.SoftCap) = (true, 4)),
        "packed" => builder.AddPackedLinear(sites: [LinearSite.Head]),
        "adapter" => builder.AddLinearHead(options => options.HasBias = true).Add(ToyParts.Adapter, sites: [LinearSite.Head]),
        "adapter on packed" => builder.AddPackedLinear(sites: [LinearSite.Head]).Add(ToyParts.Adapter, sites: [LinearSite.Head]),
        _ => builder.Add(ToyParts.Head),
    };

    private static LanguageModel Model(bool isTied, Action<LanguageModelBuilder> change) => LanguageModelTests.Model(builder =>
    {
        builder.Options.IsHeadTied = isTied;
        change(builder);
    });

    private static (Tensor Loss, Dictionary<string, Tensor> Gradients) Pass(LanguageModel model, long chunk)
    {
        model.zero_grad();
        var loss = NextTokenLoss.Of(model, LanguageModelTests.Tokens(2, 6), chunkRows: chunk).Sum;
        loss.backward();
        KernelFunction.ThrowIfFailed();
        var gradients = model.named_parameters().Where(entry => entry.parameter.grad is not null).ToDictionary(entry => entry.name, entry => entry.parameter.grad!.clone());
        model.zero_grad();
        return (loss.detach(), gradients);
    }
}
