using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Snippets;

/// <summary>The sample of the README of LmKit.Interp.</summary>
internal static class InterpSample
{
    /// <summary>Reads activations, trains one step on them, and steers the model by a feature.</summary>
    internal static void TrainAndSteer(LanguageModel model, Tensor tokens)
    {
        var options = new TopKOptions { ModelDim = 64, FeatureCount = 512, ActiveCount = 8 };
        using var random = new Generator(1);
        using var autoencoder = new TopKAutoencoder(options, new ParameterFactory(random));
        using var trainer = new SparseAutoencoderTrainer(autoencoder, new SparseAutoencoderTrainingOptions { Steps = 1000 });

        using var tap = ActivationTap.Read(model, "layers.0.resid_post");
        model.call(tokens, null).Dispose();
        using var rows = tap.Latest!.reshape(-1, 64);
        Console.WriteLine(trainer.Advance(rows).Loss);

        using var steer = ActivationTap.Splice(model, "layers.0.resid_post", autoencoder, edits: [FeatureEdit.Clamp(feature: 7, value: 3)]);
        model.call(tokens, null).Dispose();
    }

    /// <summary>Saves a dictionary with its options, loads it, measures it in the model and generates text steered by it.</summary>
    internal static void SaveMeasureAndGenerate(LanguageModel model, SparseAutoencoder autoencoder, Tensor tokens, TextGenerator generator)
    {
        DictionaryFolder.Save("features", autoencoder, hookName: "layers.0.resid_post");
        using var loaded = (SparseAutoencoder)DictionaryFolder.Load("features");
        Console.WriteLine(SpliceQuality.Measure(model, "layers.0.resid_post", loaded, tokens)); // scores, each with its standard error

        using var steer = ActivationTap.Steer(model, "layers.0.resid_post", loaded, feature: 7, amount: 5);
        Console.WriteLine(generator.Generate(["Once upon a time"])[0]);
    }

    /// <summary>Loads a published autoencoder, whatever its layout.</summary>
    internal static void Load(string path)
    {
        using var loaded = AutoencoderFile.Load(path);
        Console.WriteLine($"{loaded.Layout}: {loaded.Autoencoder.FeatureCount} features at {loaded.HookName}");
    }
}
