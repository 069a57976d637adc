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

    [Fact]
    public async Task A_model_that_sees_later_tokens_keeps_the_law_too()
    {
        var builder = new LanguageModelBuilder { VocabSize = 61, ModelDim = 16, LayerCount = 3 }.AddAttention(attention => attention.HeadCount = 2).AddRotary();
        (builder.Options.IsBidirectional, builder.Options.InitializerRange) = (true, 0.3);
        using var model = builder.Build();
        await EmbeddingLaws.CheckAsync(model, WrappingTokenizer.For(model), 90);
    }
}
