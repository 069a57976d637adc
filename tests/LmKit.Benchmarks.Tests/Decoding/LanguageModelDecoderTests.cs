using LmKit.Benchmarks.Cases;
using LmKit.Benchmarks.Decoding;
using LmKit.Benchmarks.LlamaCpp;
using LmKit.Benchmarks.Ratios;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Tests.Decoding;

[NoTensorLeak]
public sealed class LanguageModelDecoderTests
{
    private const double tolerance = 1e-5;

    private static readonly LlamaShape shape = new(LayerCount: 2, ModelDim: 32, HeadCount: 4, KeyValueHeadCount: 4, MlpDim: 48, VocabSize: 32);

    public LanguageModelDecoderTests() => LibTorch.EnsureLoaded();

    [Fact]
    public void A_token_after_going_back_is_computed_as_it_was_before()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        using var model = shape.Build(random, isPacked: true);
        using var decoder = new LanguageModelDecoder(model);
        decoder.Read(shape.Text(random, 20));

        var (first, second) = (decoder.Step(3), decoder.Step(3));
        decoder.Return();

        Assert.Null(RatioAgreement.Difference([first], [decoder.Step(3)], tolerance));
        Assert.NotNull(RatioAgreement.Difference([first], [second], tolerance));
    }

    [Theory]
    [InlineData(4, null)]
    [InlineData(2, null)]
    [InlineData(4, false)]
    [InlineData(2, true)]
    public void The_plain_transformer_over_turned_keys_computes_what_ours_does(int keyHeads, bool? isPackedFromFolder)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(1);
        var shape = LanguageModelDecoderTests.shape with { KeyValueHeadCount = keyHeads };
        using var model = isPackedFromFolder is { } isPacked ? LlamaTokenVersusTurnedCache.Load(random, shape, isPacked) : shape.Build(random, isPacked: false);
        using var plain = new TurnedCacheTransformer(model, shape, 32);
        var text = shape.Text(random, 24);
        using var ours = new LanguageModelDecoder(model);
        ours.Read(text[..1]);
        plain.Step(tensor(text[..1]), 0);

        for (var at = 1; at < text.Length; at++)
            Assert.Null(RatioAgreement.Difference([plain.Step(tensor(text[at..(at + 1)]), at)], [ours.Step(text[at])], tolerance));
    }
}
