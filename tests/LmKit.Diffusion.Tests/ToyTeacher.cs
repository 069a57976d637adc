using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The golden teacher and its chain, for distillations of a few steps.</summary>
internal static class ToyTeacher
{
    internal const long Mask = 8;
    internal const int Length = 16;

    internal static LanguageModel Load()
    {
        var transformer = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = Mask + 1, ModelDim = 48, LayerCount = 2, HeadCount = 4, ConditionDim = 32, DropoutRate = 0 });
        CheckpointLoader.Load(transformer, Path.Combine(GoldenSource.Repository.Root!, "diffusion", "toy_teacher_v8.safetensors"), MdlmKeyMap.Map);
        return transformer;
    }

    internal static MarkovChain Chain()
    {
        using var scope = NewDisposeScope();
        using var reader = new SafetensorsReader(Path.Combine(GoldenSource.Repository.Root!, "diffusion", "toy_chain_v8.safetensors"));
        return new MarkovChain(reader.Read("P"), reader.Read("pi"));
    }

    internal static SampleQuality Measure(LanguageModel transformer, MarkovChain chain, int stepCount, long count) =>
        SampleJudge.Of(chain, Length).Measure(new SparseAncestralSampler(new LanguageModelDenoiser(transformer, Mask), new DiffusionSamplerOptions { StepCount = stepCount }), stepCount, count, Length, seed: 3);
}
