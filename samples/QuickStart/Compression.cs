using System.Buffers;
using System.IO.Compression;

namespace LmKit.QuickStart;

/// <summary>What Brotli makes of a text at its highest quality (11) and with its largest window (2^24 bytes).</summary>
public static class Compression
{
    private const int HighestQuality = 11;
    private const int LargestWindow = 24;
    // A call can be cancelled between two pieces.
    private const int PieceLength = 1 << 18;

    /// <summary>Compressed bits per byte of a text, on its own or right after another one in the same stream.</summary>
    /// <param name="text">The text that is measured.</param>
    /// <param name="primer">A text before it, whose phrases can be pointed at; empty for none. Its own size does not count.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <remarks>
    /// One pass over both: the stream is flushed after the primer, and what it writes from there on is counted. That
    /// equals size(primer + text) - size(primer) but for the few bytes of the flush, at half the time. The window covers
    /// 16 MiB: a longer primer counts with its last 16 MiB only. Takes about 1.6 seconds a megabyte of both texts on one
    /// core, so run it beside other work; safe on any thread.
    /// </remarks>
    /// <exception cref="InvalidDataException"><paramref name="text"/> is empty.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static double BitsPerByte(ReadOnlySpan<byte> text, ReadOnlySpan<byte> primer = default, CancellationToken cancellation = default) =>
        text.IsEmpty
            ? throw new InvalidDataException("There is no text to compress: the validation text is empty.")
            : 8.0 * SizeAfter(primer, text, cancellation) / text.Length;

    private static long SizeAfter(ReadOnlySpan<byte> primer, ReadOnlySpan<byte> text, CancellationToken cancellation)
    {
        var encoder = new BrotliEncoder(HighestQuality, LargestWindow);
        try
        {
            if (!primer.IsEmpty)
            {
                Write(ref encoder, primer, isLast: false, cancellation);
                Flush(ref encoder);
            }

            return Write(ref encoder, text, isLast: true, cancellation);
        }
        finally
        {
            encoder.Dispose();
        }
    }

    private static long Write(ref BrotliEncoder encoder, ReadOnlySpan<byte> source, bool isLast, CancellationToken cancellation)
    {
        var output = new byte[PieceLength];
        var size = 0L;
        OperationStatus status;
        do
        {
            cancellation.ThrowIfCancellationRequested();
            var piece = source[..Math.Min(PieceLength, source.Length)];
            status = encoder.Compress(piece, output, out var consumed, out var written, isLast && piece.Length == source.Length);
            source = source[consumed..];
            size += written;
        }
        while (!source.IsEmpty || status == OperationStatus.DestinationTooSmall);

        return size;
    }

    private static void Flush(ref BrotliEncoder encoder)
    {
        var output = new byte[PieceLength];
        while (encoder.Flush(output, out _) == OperationStatus.DestinationTooSmall)
        {
        }
    }
}
