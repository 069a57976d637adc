using static TorchSharp.torch;

namespace LmKit.Snippets;

/// <summary>The samples of published models in the README of LmKit.Core and in docs/published-models.md.</summary>
internal static class PublishedSample
{
    /// <summary>Opens a published folder with a Lambda mask and an adapter, says what it holds, and continues a prompt.</summary>
    internal static void Load(string folder, Tensor prompt)
    {
        using var published = PublishedModel.Load(folder, change: builder => builder
            .AddLambdaMask(mask => mask.LocalLength = 2_048)
            .UseLora(lora => lora.Rank = 8, sites: ["q_proj", "v_proj"]));
        Console.WriteLine(published.Describe()); // family, files, types, what had no effect, what was left out, a table of the layers
        foreach (var grid in published.Model.CreateSampler().Sample(prompt, length: 20)) // as generation_config.json says
            grid.Dispose();
    }

    /// <summary>Trains a new model in a published layout.</summary>
    internal static void Train(Action<LanguageModel> train)
    {
        var layout = PublishedLayout.FromJson(File.ReadAllText("config.json"));
        using var model = layout.CreateBuilder().Build();
        train(model);
        layout.Save("trained", model); // opens in other libraries too
    }
}
