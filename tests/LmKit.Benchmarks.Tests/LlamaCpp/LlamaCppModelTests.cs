using LmKit.Benchmarks.Decoding;
using LmKit.Benchmarks.LlamaCpp;
using LmKit.Benchmarks.Ratios;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Tests.LlamaCpp;

/// <summary>Where llama.cpp's native library does not load there is nothing to compare with; the runner says so in its output.</summary>
[NoTensorLeak]
public sealed class LlamaCppModelTests
{
    private const int context = 40;
    private const double tolerance = 1e-4;

    private static readonly LlamaShape shape = new(LayerCount: 2, ModelDim: 64, HeadCount: 4, KeyValueHeadCount: 4, MlpDim: 96, VocabSize: 64);

    public LlamaCppModelTests() => LibTorch.EnsureLoaded();

    [Theory]
    [InlineData(4)]
    [InlineData(2)]
    [InlineData(1)]
    public void Both_choose_the_same_tokens_with_any_number_of_key_heads(int keyHeads) => Compare(shape with { KeyValueHeadCount = keyHeads }, _ => { });

    [Fact]
    public void A_rotary_base_and_an_epsilon_of_their_own_reach_llama_cpp() => Compare(shape with { RotaryBase = 500, NormEpsilon = 1e-2 }, _ => { });

    [Theory]
    [InlineData("layers.1.mixer.q_proj.weight")]
    [InlineData("layers.0.mlp.gate_proj.weight")]
    [InlineData("layers.0.norm2.weight")]
    [InlineData("lm_head.weight")]
    public void A_weight_that_differs_is_a_disagreement_that_names_the_case(string name)
    {
        if (LlamaCppLibrary.Problem() is not null)
            return;

        var problem = Assert.Throws<RatioDisagreementException>(() => Compare(shape, model => Change(model, name)));

        Assert.StartsWith("tiny: the two sides disagree", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_left_in_the_temporary_folder()
    {
        if (LlamaCppLibrary.Problem() is not null)
            return;

        using var random = new Generator(2);
        using var model = shape.Build(random, isPacked: false);
        string folder;
        using (var llamaCpp = new LlamaCppModel(model, shape, 8))
            folder = llamaCpp.Folder;

        Assert.False(Directory.Exists(folder));
    }

    private static void Compare(LlamaShape shape, Action<LanguageModel> change)
    {
        if (LlamaCppLibrary.Problem() is not null)
            return;

        using var random = new Generator(1);
        using var model = shape.Build(random, isPacked: false);
        using var llamaCpp = new LlamaCppModel(model, shape, context + 8);
        change(model);
        var text = shape.Text(random, context + 1);
        using var theirs = llamaCpp.NewExactDecoder();
        using var ours = new LanguageModelDecoder(model);
        theirs.Read(text[..^1]);
        ours.Read(text[..^1]);
        GreedyAgreement.Require("tiny", theirs, ours, text[^1], 6, tolerance);
    }

    private static void Change(LanguageModel model, string name)
    {
        using var frozen = no_grad();
        using var row = model.get_parameter(name)!.narrow(0, 3, 1);
        row.mul_(1.5);
    }
}
