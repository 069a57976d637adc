using System.Diagnostics;

namespace LmKit.QuickStart;

/// <summary>What something else than the model reaches on the same validation text.</summary>
/// <param name="Name">What it is, in words for the screen.</param>
/// <param name="BitsPerByte">Its bits per byte of UTF-8 text.</param>
/// <param name="Elapsed">Time taken to find out.</param>
public sealed record Yardstick(string Name, double BitsPerByte, TimeSpan Elapsed)
{
    /// <summary>Byte models of order 3 and 5; the first one's time includes the counting, which serves both.</summary>
    public static IReadOnlyList<Yardstick> ByteModels(ReadOnlyMemory<byte> training, ReadOnlyMemory<byte> validation)
    {
        ByteModel? model = null;
        double Score(int order) => (model ??= ByteModel.Train(training, order: 5)).BitsPerByte(validation.Span, order);
        return
        [
            Timed("byte model, order 3, Witten-Bell", () => Score(3)),
            Timed("byte model, order 5, Witten-Bell", () => Score(5)),
        ];
    }

    /// <summary>Brotli at its strongest, on the validation text alone and after the training text.</summary>
    public static IReadOnlyList<Yardstick> Compressors(ReadOnlyMemory<byte> training, ReadOnlyMemory<byte> validation, CancellationToken cancellation = default) =>
    [
        Timed("Brotli 11, the held-out text alone", () => Compression.BitsPerByte(validation.Span, cancellation: cancellation)),
        Timed("Brotli 11, primed with the training text", () => Compression.BitsPerByte(validation.Span, training.Span, cancellation)),
    ];

    private static Yardstick Timed(string name, Func<double> bitsPerByte)
    {
        var watch = Stopwatch.StartNew();
        return new Yardstick(name, bitsPerByte(), watch.Elapsed);
    }
}
