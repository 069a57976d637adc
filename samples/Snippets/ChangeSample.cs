namespace LmKit.Snippets;

/// <summary>The samples of changing a trained model in the READMEs of LmKit.Core and LmKit.Interp.</summary>
internal static class ChangeSample
{
    /// <summary>Loads a model with another mask and an adapter, packs its head, and says what it consists of.</summary>
    internal static void LoadChangeAndDescribe(string folder)
    {
        using var longer = LanguageModel.Load(folder, kinds => kinds.AddLongContext().AddTuning(), change: builder => builder
            .AddLambdaMask(mask => mask.LocalLength = 2_048)
            .UseLora(lora => lora.Rank = 8, sites: ["q_proj", "v_proj"]));
        using var packed = longer.With(builder => builder.AddPackedLinear(sites: [LinearSite.Head])); // the same tensors; disposes `longer`
        Console.WriteLine(packed.Describe());
    }

    /// <summary>Names a dictionary for a layer of a trained model and makes it.</summary>
    internal static void NameDictionary(string folder)
    {
        using var model = LanguageModel.Load(folder, kinds => kinds.AddInterp(), change: builder => builder
            .AddTopKAutoencoder(options => (options.FeatureCount, options.ActiveCount) = (512, 8), layers: [3]));
        using var features = (TopKAutoencoder)model.CreateDictionaries(layer: 3)[0]; // as wide as the model, with initial values
        Console.WriteLine(features.Atoms);
    }
}
