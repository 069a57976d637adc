using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A long sequence through an H3 layer in chunks that carry state, against one call of the whole length.</summary>
/// <remarks>Outputs are taken up as they come: each chunk is reduced to its means, as whoever streams uses them and lets them go.</remarks>
internal static class StreamingVersusWholeCall
{
    private const long modelDim = 256;
    private const long length = 65_536;
    private const long smallLength = 1024;
    private const long chunk = 512;

    private static string Name => $"H3 layer streamed in chunks of {chunk} vs whole call d={modelDim} L={length} B=1";

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new(Name, Target: 0.5, TunedTarget: 0.5, random => Prepare(random, length)),
    ];

    internal static IReadOnlyList<MemoryCase> MemoryCases { get; } =
    [
        new(Name, Target: 20, random => Prepare(random, length), random => Prepare(random, smallLength)),
    ];

    private static RatioSides Prepare(Generator random, long length)
    {
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = 1 };
        var mixer = new H3Mixer(new H3Options(), builder.CreateLayerContext(0, random));
        mixer.eval();
        var x = randn(1, length, modelDim, generator: random);
        return new RatioSides(Whole, Streamed, mixer, x);

        Tensor[] Whole()
        {
            using var frozen = no_grad();
            using var y = mixer.call(x, null);
            using var chunks = y.view(-1, chunk, modelDim);
            return [chunks.mean([1])];
        }

        Tensor[] Streamed()
        {
            using var frozen = no_grad();
            using var state = mixer.NewState(1);
            var means = new List<Tensor>();
            for (long at = 0; at < length; at += chunk)
            {
                using var columns = x.narrow(1, at, chunk);
                using var y = mixer.call(columns, new SequenceContext(state));
                means.Add(y.mean([1]));
            }

            return [cat(means, 0)];
        }
    }
}
