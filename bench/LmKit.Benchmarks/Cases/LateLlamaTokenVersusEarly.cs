using LmKit.Benchmarks.Decoding;
using LmKit.Benchmarks.LlamaCpp;
using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A LLaMA's token after a long context against one after a short context: how the time grows with the keys that are read. Ours, and
/// llama.cpp's own growth as the mark.</summary>
/// <remarks>The sides continue different texts: only the shapes of their logits are compared.</remarks>
internal static class LateLlamaTokenVersusEarly
{
    private const int early = 64;
    private const int late = 1000;
    private const int tokens = 16;
    private const double target = 0.8;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new(Name("LLaMA token"), target, target, PrepareOurs) { IsSameComputation = false },
        new(Name("llama.cpp's own LLaMA token"), target, target, PrepareTheirs) { IsSameComputation = false, Hindrance = LlamaCppLibrary.Problem },
    ];

    private static LlamaShape Shape => LlamaTokenVersusLlamaCpp.Shape;

    private static string Name(string side) => $"{side} after {late} vs after {early}: {Shape.Sizes}, one thread";

    private static RatioSides PrepareOurs(Generator random)
    {
        set_num_threads(1);
        var model = Shape.Build(random, isPacked: true);
        return Sides(random, () => new LanguageModelDecoder(model), model);
    }

    private static RatioSides PrepareTheirs(Generator random)
    {
        using var model = Shape.Build(random, isPacked: false);
        var llamaCpp = new LlamaCppModel(model, Shape, late + tokens + 1);
        return Sides(random, llamaCpp.NewExactDecoder, llamaCpp);
    }

    private static RatioSides Sides(Generator random, Func<IDecoder> start, IDisposable model)
    {
        var text = Shape.Text(random, LateLlamaTokenVersusEarly.late + tokens);
        var (early, late) = (After(LateLlamaTokenVersusEarly.early), After(LateLlamaTokenVersusEarly.late));
        return new RatioSides(new RepeatedDecoding(early, text[LateLlamaTokenVersusEarly.late..]).Step, new RepeatedDecoding(late, text[LateLlamaTokenVersusEarly.late..]).Step, early, late, model);

        IDecoder After(int context)
        {
            var decoder = start();
            decoder.Read(text[..context]);
            return decoder;
        }
    }
}
