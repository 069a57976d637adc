using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>A step from tokens to text; steps are a chain, and each gives what is certain to the next at once.</summary>
/// <remarks>
/// A chain serves one text and one thread; <see cref="Flush"/> ends the text. Whether its input is one token a call or fragments of one long
/// token (behind a step that joins all) is told when the chain is made. All pieces joined are the decoded whole.
/// </remarks>
internal abstract class TokenDecoder
{
    /// <summary>The next step; null at the end of the chain.</summary>
    internal TokenDecoder? Next { get; set; }

    /// <summary>The end of the chain: what is certain of the text.</summary>
    internal StringBuilder Text { get; set; } = new();

    /// <summary>Whether the calls are fragments of one token.</summary>
    internal bool IsJoined { get; set; }

    /// <summary>Whether the next step gets fragments of one token.</summary>
    internal virtual bool Joins => IsJoined;

    /// <summary>Whether a part of a character waits for the rest.</summary>
    internal virtual bool Waits => Next?.Waits ?? false;

    /// <summary>Whether anything is held that was not given on.</summary>
    internal virtual bool Holds => Next?.Holds ?? false;

    /// <summary>Takes a token.</summary>
    internal abstract void Add(string token);

    /// <summary>Ends the text and begins another.</summary>
    internal virtual void Flush() => Next?.Flush();

    protected void Give(string token)
    {
        if (Next is null)
            _ = Text.Append(token);
        else
            Next.Add(token);
    }

    /// <summary>Joins steps; without any, tokens are joined by blanks.</summary>
    internal static TokenDecoder Chain(IEnumerable<TokenDecoder> steps, StringBuilder text)
    {
        TokenDecoder? first = null;
        TokenDecoder? last = null;
        foreach (var made in steps)
        {
            var step = last is { Joins: true } && made is not (JoinDecoder or ReplaceDecoder { IsLocal: true } or StripDecoder) ? new CollectDecoder(made) : made;
            step.IsJoined = last?.Joins ?? false;
            if (last is null)
                first = step;
            else
                last.Next = step;
            last = step;
        }
        first ??= new BlankDecoder();
        for (var step = first; step is not null; step = step.Next)
            step.Text = text;
        return first;
    }
}

/// <summary>Tokens with a blank between them.</summary>
internal sealed class BlankDecoder : TokenDecoder
{
    private bool hasBegun;

    internal override void Add(string token)
    {
        Give(hasBegun ? " " + token : token);
        hasBegun = true;
    }

    internal override void Flush()
    {
        hasBegun = false;
        base.Flush();
    }
}

/// <summary>All tokens as one.</summary>
internal sealed class JoinDecoder : TokenDecoder
{
    internal override bool Joins => true;

    internal override void Add(string token) => Give(token);
}

/// <summary>Holds fragments of one token back until it is whole, for a step that must see all of it.</summary>
internal sealed class CollectDecoder(TokenDecoder step) : TokenDecoder
{
    private readonly StringBuilder held = new();

    internal override bool Joins => true;

    internal override bool Holds => held.Length > 0 || base.Holds;

    internal override void Add(string token) => _ = held.Append(token);

    internal override void Flush()
    {
        step.Next = Next;
        step.Text = Text;
        if (held.Length > 0)
            step.Add(held.ToString());
        _ = held.Clear();
        step.Flush();
    }
}

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

/// <summary>Runs of <c>&lt;0xNN&gt;</c> to text; of a run that is no UTF-8 as a whole every byte is U+FFFD.</summary>
internal sealed class ByteFallbackDecoder : TokenDecoder
{
    private readonly List<byte> run = [];

    internal override bool Waits => (run.Count > 0 && !IsValid()) || base.Waits;

    internal override bool Holds => run.Count > 0 || base.Holds;

    internal override void Add(string token)
    {
        if (token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>' && Byte(token.AsSpan(3, 2)) is { } value)
        {
            run.Add(value);
            return;
        }
        End();
        Give(token);
    }

    internal override void Flush()
    {
        End();
        base.Flush();
    }

    private static byte? Byte(ReadOnlySpan<char> digits) =>
        byte.TryParse(digits[0] == '+' ? digits[1..] : digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;

    private bool IsValid() => System.Text.Unicode.Utf8.IsValid(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(run));

    private void End()
    {
        if (run.Count == 0)
            return;
        if (IsValid())
        {
            Give(Encoding.UTF8.GetString([.. run]));
        }
        else
        {
            foreach (var _ in run)
                Give("\ufffd");
        }
        run.Clear();
    }
}

/// <summary>Marks back to blanks; those of the first token are dropped where encoding put one before the text.</summary>
internal sealed class MetaspaceDecoder(char mark, bool drops) : TokenDecoder
{
    private bool hasBegun;

    internal override void Add(string token)
    {
        Give(hasBegun || !drops ? token.Replace(mark, ' ') : token.Replace(mark.ToString(), "", StringComparison.Ordinal));
        hasBegun = true;
    }

    internal override void Flush()
    {
        hasBegun = false;
        base.Flush();
    }
}
