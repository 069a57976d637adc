using System.Text;

namespace LmKit;

/// <summary>Printable characters back to bytes, and bytes to text; a token of other characters stands for its own letters.</summary>
internal sealed class ByteLevelDecoder : TokenDecoder
{
    private readonly Decoder utf8 = Encoding.UTF8.GetDecoder();
    private readonly List<byte> tail = [];
    private bool waits;

    internal override bool Joins => true;

    internal override bool Waits => waits || base.Waits;

    internal override bool Holds => waits || base.Holds;

    internal override void Add(string token) => Write(ByteAlphabet.TryRead(token, out var bytes) ? bytes : Encoding.UTF8.GetBytes(token), flush: false);

    internal override void Flush()
    {
        Write([], flush: true);
        base.Flush();
    }

    private void Write(byte[] bytes, bool flush)
    {
        var characters = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length + 4)];
        var written = utf8.GetChars(bytes, characters, flush);
        Remember(bytes, flush);
        if (written > 0)
            Give(new string(characters, 0, written));
    }

    // The last bytes tell whether the decoder holds the beginning of a character.
    private void Remember(byte[] bytes, bool flush)
    {
        tail.AddRange(bytes.Length > 3 ? bytes[^3..] : bytes);
        if (flush)
            tail.Clear();
        else if (tail.Count > 3)
            tail.RemoveRange(0, tail.Count - 3);
        waits = false;
        for (var length = 1; length <= tail.Count && !waits; length++)
            waits = Rune.DecodeFromUtf8(tail.ToArray().AsSpan(tail.Count - length), out _, out _) == System.Buffers.OperationStatus.NeedMoreData;
    }
}
