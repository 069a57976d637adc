using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Snippets;

/// <summary>The sample of the README of LmKit.Interp.</summary>
internal static class InterpSample
{
    /// <summary>Trains a dictionary on activations that a model is asked for, and steers the model by a feature.</summary>
    internal static void TrainAndSteer(LanguageModel model, Tensor tokens)
    {
        var options = new TopKOptions { ModelDim = 64, FeatureCount = 512, ActiveCount = 8 };
        using var random = new Generator(1);
        using var autoencoder = new TopKAutoencoder(options, new ParameterFactory(random));
        using (var task = AutoencoderTask.OnBatches(autoencoder, Activations(), new() { Steps = 1000 }))
        using (var trainer = new Trainer(task))
            trainer.Run(step => Console.WriteLine($"{step.Loss} {step.Figures["dead_count"]}"));

        using var steer = ActivationTap.Splice(model, "layers.0.resid_post", autoencoder, edits: [FeatureEdit.Clamp(feature: 7, value: 3)]);
        model.call(tokens, null).Dispose();

        IEnumerable<Tensor> Activations()
        {
            using var tap = ActivationTap.Read(model, "layers.0.resid_post");
            while (true)
            {
                model.call(tokens, null).Dispose();
                yield return tap.Latest!.reshape(-1, 64);
            }
        }
    }

    /// <summary>Trains on activations that are on disk, with checkpoints to go on from.</summary>
    internal static void TrainOnStore(SparseAutoencoder autoencoder)
    {
        using var store = new ActivationStore("activations", seed: 1);
        using var task = AutoencoderTask.OnStore(autoencoder, store, batchSize: 4096);
        using var trainer = new Trainer(task, new TrainingOptions { CheckpointFolder = "run", CheckpointInterval = 500 });
        trainer.Resume(); // false at the first start
        trainer.Run();
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
