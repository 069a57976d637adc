using System.Numerics.Tensors;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace LmKit.Snippets;

/// <summary>The samples of vectors of texts in the README of LmKit.Core.</summary>
internal static class EmbeddingSample
{
    /// <summary>Finds the text that means what a question asks for.</summary>
    internal static async Task FindAsync(string folder, string[] texts)
    {
        using var model = LanguageModel.Load(folder);
        using var generator = model.AsEmbeddingGenerator(TokenizerFiles.Load(folder), new LanguageModelEmbeddingOptions { Pooling = EmbeddingPooling.Mean });
        var vectors = await generator.GenerateAsync(texts);                            // one for each text, in their order
        var asked = await generator.GenerateVectorAsync("Which animals live at sea?");
        var best = texts.Zip(vectors).MaxBy(pair => TensorPrimitives.Dot(asked.Span, pair.Second.Vector.Span)); // normalised: the cosine
        Console.WriteLine(best.First);
    }

    /// <summary>Registers the generator of a folder with a container.</summary>
    internal static void Register(IServiceCollection services, string folder)
    {
        services.AddLanguageModel(folder);
        services.AddEmbeddingGenerator(provider => provider.GetRequiredService<LanguageModel>().AsEmbeddingGenerator(provider.GetRequiredService<ModelTokenizer>()))
            .UseLogging();
    }
}
