using LmKit.Benchmarks.Ratios;
using Microsoft.Extensions.AI;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Vectors of 64 texts of very different lengths by the embedding generator, against reading them one after the other.</summary>
/// <remarks>On one core a token costs about the same alone and in a batch, so that a batch may not lose by padding what it wins by calls; the aim is no loss.</remarks>
internal static class EmbeddingBatchesVersusTextByText
{
    private const int Count = 64;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Make("transformer of 4 layers d=256", builder => builder.AddAttention(attention => attention.HeadCount = 4).AddRotary()),
        Make("hybrid of 4 layers d=256", builder => builder.AddH3().AddAttention(attention => attention.HeadCount = 4, layers: [1])),
    ];

    private static RatioCase Make(string name, Func<LanguageModelBuilder, LanguageModelBuilder> compose) => new(
        $"Vectors of {Count} texts of 4 to 120 tokens vs text by text: {name}", 1, 1, _ => Prepare(compose(new LanguageModelBuilder { VocabSize = 256, ModelDim = 256, LayerCount = 4 }).Build()));

    private static RatioSides Prepare(LanguageModel model)
    {
        model.eval();
        var random = new Random(3);
        // Short texts are the more frequent ones, as questions and titles are.
        string[] texts = [.. Enumerable.Range(0, Count).Select(_ => new string([.. Enumerable.Range(0, (int)(4 * Math.Pow(30, random.NextDouble()))).Select(_ => (char)random.Next('a', 'z'))]))];
        var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        return new RatioSides(TextByText, InBatches, generator, model);

        Tensor[] TextByText()
        {
            using var frozen = no_grad();
            return [stack([.. texts.Select(One)])];
        }

        Tensor One(string text)
        {
            using var scope = NewDisposeScope();
            long[] ids = [.. ModelTokenizer.Bytes.Encode(text).Select(id => (long)id)];
            var mean = model.Hidden(tensor(ids, [1, ids.Length]))[0].mean([0L]);
            return (mean / mean.norm()).MoveToOuterDisposeScope();
        }

        Tensor[] InBatches()
        {
            var vectors = generator.GenerateAsync(texts).GetAwaiter().GetResult();
            return [stack([.. vectors.Select(one => tensor(one.Vector.ToArray()))])];
        }
    }
}
