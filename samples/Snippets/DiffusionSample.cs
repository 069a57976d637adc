using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Snippets;

/// <summary>The sample of the README of LmKit.Diffusion.</summary>
internal static class DiffusionSample
{
    /// <summary>Trains a denoiser and fills in a prompt.</summary>
    internal static void TrainAndSample(Tensor prompt, Generator random)
    {
        using var transformer = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 28, ModelDim = 64, LayerCount = 2, HeadCount = 4 });
        var denoiser = new LanguageModelDenoiser(transformer, maskId: 27);
        using var task = DenoisingTask.OnBatches(transformer, denoiser, random => randint(0, 27, [16, 32], dtype: ScalarType.Int64, generator: random), seed: 1);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 100, LearningRate = 1e-3, AverageDecay = 0.999 });
        trainer.Run();
        var sampler = new SparseAncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = 8 });
        foreach (var grid in sampler.Sample(prompt, length: 16, random))
            grid.Dispose(); // each version of the grid; the last is the sample
    }

    /// <summary>Distils a teacher into a student of few steps, under a guard.</summary>
    internal static QualityCurve Distil(LanguageModel teacher, LanguageModel student, Func<long, Generator, Tensor> trainingRows, SampleJudge judge)
    {
        using var discriminator = Discriminator.FromTeacher(teacher);
        var denoiser = new LanguageModelDenoiser(student, maskId: 27);
        using var task = new DiDiInstructTask(student, denoiser, new LanguageModelDenoiser(teacher, maskId: 27), discriminator, trainingRows); // its recipe: DiDiInstructOptions
        using var guard = new DistillationGuard(new LanguageModelDenoiser(teacher, maskId: 27), judge, new DistillationGuardOptions { FirstStep = 400, StepCount = 8, Length = 32 });
        task.Guard = guard;
        using var trainer = new Trainer(task, new TrainingOptions { CheckpointFolder = "distillation", CheckpointInterval = 100 }); // or new Trainer(task)
        trainer.Resume(); // false when there is no checkpoint yet
        trainer.Run(step => Console.WriteLine($"{step.Step}: {step.Loss} {string.Join(", ", step.Figures)}"));
        using var average = trainer.Average!.Swap(); // the student to sample from; trainer.End says why the run ended
        return QualityCurve.Measure("student", steps => new SparseAncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = steps }), [4, 8, 16], judge, count: 512, length: 32, seed: 1);
    }

    /// <summary>Any bidirectional model can be sampled so; the sampler is part of its configuration.</summary>
    internal static LanguageModel Compose()
    {
        var builder = new LanguageModelBuilder { VocabSize = 28, ModelDim = 64, LayerCount = 2 };
        builder.Options.IsBidirectional = true;
        return builder.AddAttention(attention => attention.HeadCount = 4).AddSparseAncestralSampler(maskId: 27, sampler => sampler.StepCount = 8).Build();
    }

    /// <summary>A published checkpoint becomes a folder of its own.</summary>
    internal static void Publish()
    {
        using var published = new LanguageModelBuilder().AddDiffusionTransformer(sizes => sizes.HeadCount = 12).AddSparseAncestralSampler(maskId: 50_257).Build();
        CheckpointLoader.Load(published, "mdlm.safetensors", MdlmKeyMap.Map);
        published.Save("mdlm");
        using var model = LanguageModel.Load("mdlm", kinds => kinds.AddDiffusion());
    }
}
