using Microsoft.Extensions.AI;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>What holds for the vectors that a model in float32 gives of texts.</summary>
public static class EmbeddingLaws
{
    private const double Tolerance = 1e-6;

    // Of numbers of texts and of tokens that are read together.
    private static readonly (int Texts, int Tokens)[] batches = [(5, 4_096), (25, 100_000)];

    /// <summary>Fails unless each text has, by either pooling, the vector that its own hidden states give: alone, in batches of any size and in
    /// any order.</summary>
    /// <param name="model">The model, in float32 and evaluation mode.</param>
    /// <param name="tokenizer">Its tokenizer; letters are tokens.</param>
    /// <param name="longest">The most letters of a text.</param>
    public static async Task CheckAsync(ILanguageModel model, ModelTokenizer tokenizer, int longest)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var random = new Random(longest);
        int[] lengths = [1, longest, 2, 1, longest, 3, .. Enumerable.Range(0, 19).Select(_ => random.Next(1, longest + 1))];
        string[] texts = [.. lengths.Select(length => string.Concat(Enumerable.Range(0, length).Select(_ => (char)random.Next('0', 'z'))))];
        foreach (var pooling in Enum.GetValues<EmbeddingPooling>())
        {
            var alone = new float[texts.Length][];
            using var generator = model.AsEmbeddingGenerator(tokenizer, new LanguageModelEmbeddingOptions { Pooling = pooling });
            for (var index = 0; index < texts.Length; index++)
            {
                alone[index] = (await generator.GenerateAsync([texts[index]]))[0].Vector.ToArray();
                CheckNear(Expected(model, tokenizer.Encode(texts[index]), pooling), alone[index], 3 * Tolerance, $"{pooling} of text {index} ({texts[index].Length} letters), against its hidden states");
            }
            foreach (var (count, tokens) in batches)
            {
                int[] order = [.. Enumerable.Range(0, texts.Length)];
                random.Shuffle(order);
                using var together = model.AsEmbeddingGenerator(tokenizer, new LanguageModelEmbeddingOptions { Pooling = pooling, BatchSize = count, MaxBatchTokens = tokens });
                var got = await together.GenerateAsync(order.Select(index => texts[index]));
                Assert.Equal(texts.Length, got.Count);
                foreach (var (place, index) in order.Index())
                    CheckNear(alone[index], got[place].Vector.ToArray(), Tolerance, $"{pooling} of text {index} ({texts[index].Length} letters), in batches of {count} texts");
            }
        }
    }

    private static float[] Expected(ILanguageModel model, IReadOnlyList<int> ids, EmbeddingPooling pooling)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var hidden = model.Hidden(tensor(ids.Select(id => (long)id).ToArray(), [1, ids.Count]))[0].to(ScalarType.Float64);
        var vector = pooling == EmbeddingPooling.Mean ? hidden.mean([0L]) : hidden[-1];
        return [.. (vector / vector.norm()).to(ScalarType.Float32).data<float>()];
    }

    private static void CheckNear(float[] wanted, float[] got, double tolerance, string what)
    {
        Assert.Equal(wanted.Length, got.Length);
        var far = wanted.Zip(got, (a, b) => Math.Abs((double)a - b)).Max();
        Assert.True(far <= tolerance, $"{what}: {far} away.");
    }
}
