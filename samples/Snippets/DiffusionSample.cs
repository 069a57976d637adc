using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Snippets;

/// <summary>The sample of the README of LmKit.Diffusion.</summary>
internal static class DiffusionSample
{
    /// <summary>Trains a denoiser and fills in a prompt.</summary>
    internal static void TrainAndSample(Tensor prompt, Generator random)
    {
        using var transformer = new DiffusionTransformer(new DiffusionTransformerOptions { VocabSize = 28, ModelDim = 64, LayerCount = 2, HeadCount = 4 });
        var denoiser = new TransformerDenoiser(transformer, maskId: 27);
        using var task = DenoisingTask.OnBatches(transformer, denoiser, random => randint(0, 27, [16, 32], dtype: ScalarType.Int64, generator: random), seed: 1);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 100, LearningRate = 1e-3, AverageDecay = 0.999 });
        trainer.Run();
        var sampler = new SparseAncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = 8 });
        foreach (var grid in sampler.Sample(prompt, length: 16, random))
            grid.Dispose(); // each version of the grid; the last is the sample
    }
}
