using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A fine-tuning step that trains adapters only against one that trains every weight.</summary>
internal static class AdapterStepVersusFullStep
{
    private const int Vocabulary = 4096;
    private const int Rows = 8;
    private const int Length = 128;

    internal static IReadOnlyList<RatioCase> Cases { get; } = [Case(0), Case(0.05)];

    // The steps train different weights, so only what they give back is of one shape.
    private static RatioCase Case(double dropout) =>
        new($"LoRA step vs full step: rank 8, dropout {dropout:0.##}, d 128, 4 layers, V {Vocabulary}, {Rows} x {Length} tokens, half labelled", Target: 1.0, TunedTarget: 1.0, random => Prepare(dropout)) { IsSameComputation = false };

    private static RatioSides Prepare(double dropout)
    {
        var (full, adapted) = (new Run(null), new Run(dropout));
        return new RatioSides(() => [full.Advance()], () => [adapted.Advance()], full, adapted);
    }

    private sealed class Run : IDisposable
    {
        private readonly LanguageModel model;
        private readonly Trainer trainer;

        internal Run(double? dropout)
        {
            var builder = new LanguageModelBuilder { VocabSize = Vocabulary, ModelDim = 128, LayerCount = 4 }.AddAttention(attention => attention.HeadCount = 4);
            if (dropout is { } rate)
                builder.UseLora(lora => (lora.Rank, lora.DropoutRate) = (8, rate));

            model = builder.Build();
            var random = new Random(1);
            var examples = Enumerable.Range(0, 64).Select(_ => new SupervisedExample(
                [.. Enumerable.Range(0, Length).Select(_ => random.Next(Vocabulary))],
                [.. Enumerable.Range(0, Length).Select(place => place >= Length / 2)])).ToArray();
            var task = new FineTuner(model, examples, new FineTuningOptions { RowLength = Length, RowCount = Rows, TrainsAdaptersOnly = dropout is not null });
            trainer = new Trainer(task, new TrainingOptions { Steps = int.MaxValue, LearningRate = 1e-4 });
        }

        internal Tensor Advance() => tensor(trainer.Advance()!.Loss);

        public void Dispose()
        {
            trainer.Dispose();
            model.Dispose();
        }
    }
}
