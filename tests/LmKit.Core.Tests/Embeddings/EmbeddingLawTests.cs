using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A text's vector is the same alone as in any batch, and is what its hidden states say, in every published family.</summary>
public sealed class EmbeddingLawTests
{
    public static TheoryData<string> Folders => [.. PublishedFolders.All.Select(folder => Path.GetFileName(folder))];

    [Theory]
    [MemberData(nameof(Folders))]
    public async Task A_text_alone_has_the_vector_that_it_has_in_a_padded_batch(string folder)
    {
        using var published = PublishedModel.Load(PublishedFolders.All.Single(path => Path.GetFileName(path) == folder), dtype: ScalarType.Float32);
        await EmbeddingLaws.CheckAsync(published.Model, WrappingTokenizer.For(published.Model), (int)Math.Min(published.Model.ContextLength ?? 60, 60));
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_row_has_the_hidden_states_that_it_has_beside_rows_of_any_length(string folder)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var published = PublishedModel.Load(PublishedFolders.All.Single(path => Path.GetFileName(path) == folder), dtype: ScalarType.Float32);
        var model = published.Model;
        var longest = (int)Math.Min(model.ContextLength ?? 60, 60);
        var rows = new[] { longest, 1, 17, 3, longest - 1, 30, 16 }.Select((length, row) => (IReadOnlyList<int>)[.. Enumerable.Range(0, length).Select(place => (place * 7 + row * 5) % (int)model.VocabSize)]).ToArray();
        var together = PaddedRows.HiddenAlike(model, CPU, rows);
        foreach (var (index, row) in rows.Index())
        {
            var (alone, beside) = (PaddedRows.HiddenAlike(model, CPU, [row])[0].narrow(0, 0, row.Count), together[index].narrow(0, 0, row.Count));
            var far = ((alone - beside).norm(1) / alone.norm(1)).max().ToDouble();
            Assert.True(far <= 1e-6, $"Row {index} of {row.Count} tokens is {far} of its length away from itself alone.");
        }
    }

    [Fact]
    public async Task A_model_that_sees_later_tokens_keeps_the_law_too()
    {
        var builder = new LanguageModelBuilder { VocabSize = 61, ModelDim = 16, LayerCount = 3 }.AddAttention(attention => attention.HeadCount = 2).AddRotary();
        (builder.Options.IsBidirectional, builder.Options.InitializerRange) = (true, 0.3);
        using var model = builder.Build();
        await EmbeddingLaws.CheckAsync(model, WrappingTokenizer.For(model), 90);
    }
}
