using System.IO.Compression;
using System.Text;

namespace LmKit.QuickStart.Tests;

public class CompressionTests
{
    private static byte[] Words(int seed, int count)
    {
        var random = new Random(seed);
        string[] words = ["stream", "value", "returns", "the", "of", "collection", "element", "null", "is", "key"];
        return Encoding.UTF8.GetBytes(string.Join(' ', Enumerable.Range(0, count).Select(_ => words[random.Next(words.Length)])));
    }

    [Fact]
    public void Alone_equals_the_size_of_one_whole_compression()
    {
        var text = Words(1, 20_000);
        var buffer = new byte[text.Length];
        Assert.True(BrotliEncoder.TryCompress(text, buffer, out var size, quality: 11, window: 24));

        Assert.Equal(8.0 * size / text.Length, Compression.BitsPerByte(text), 0.02);
    }

    [Fact]
    public void Primed_equals_the_difference_of_two_sizes()
    {
        var (primer, text) = (Words(1, 60_000), Words(2, 20_000));
        var difference = (Compression.BitsPerByte([.. primer, .. text]) * (primer.Length + text.Length)) - (Compression.BitsPerByte(primer) * primer.Length);

        Assert.Equal(difference / text.Length, Compression.BitsPerByte(text, primer), 0.05);
    }

    [Fact]
    public void A_text_after_itself_costs_next_to_nothing_and_random_bytes_cost_eight_bits()
    {
        var noise = new byte[50_000];
        new Random(3).NextBytes(noise);

        Assert.InRange(Compression.BitsPerByte(noise, noise), 0, 0.02);
        Assert.Equal(8, Compression.BitsPerByte(noise), 0.02);
    }

    [Fact]
    public void An_empty_text_is_refused() =>
        Assert.Throws<InvalidDataException>(() => Compression.BitsPerByte([]));

    [Fact]
    public void Cancellation_ends_it() =>
        Assert.Throws<OperationCanceledException>(() => Compression.BitsPerByte(Words(1, 100), cancellation: new CancellationToken(canceled: true)));
}
