using System.Text;

namespace LmKit;

/// <summary>Puts a text for each match in a token.</summary>
internal sealed class ReplaceDecoder(TextMatcher matcher, string content) : TokenDecoder
{
    private const int LongestGrown = 1 << 19;

    /// <summary>Whether a match never reaches from one fragment of a token into the next.</summary>
    internal bool IsLocal => matcher.Literal is { Length: 1 };

    internal override void Add(string token)
    {
        if (token.Length == 0)
        {
            Give(token);
            return;
        }
        var matches = new List<(int Start, int End)>();
        matcher.Find(token, matches);
        if (matches.Count == 0)
        {
            Give(token);
            return;
        }
        var length = token.Length + matches.Sum(match => (long)content.Length - (match.End - match.Start));
        if (length > LongestGrown && length > token.Length)
            throw new TokenizerRefusal($"The file's decoder makes {length} characters of {token.Length}; {LongestGrown} are allowed, so its replacements are too long or feed each other.");
        var made = new StringBuilder();
        var from = 0;
        foreach (var (start, end) in matches)
        {
            _ = made.Append(token, from, start - from).Append(content);
            from = end;
        }
        Give(made.Append(token, from, token.Length - from).ToString());
    }
}

/// <summary>Takes some of a character off the ends of each token.</summary>
internal sealed class StripDecoder(string content, int left, int right) : TokenDecoder
{
    private int taken; // of the joined token's beginning
    private bool isPast;
    private string held = "";

    internal override bool Holds => held.Length > 0 || base.Holds;

    internal override void Add(string token)
    {
        if (!IsJoined)
        {
            var start = Begins(token, 0, left);
            Give(token[start..Math.Max(start, Ends(token, right))]);
            return;
        }
        if (!isPast)
        {
            var start = Begins(token, 0, left - taken);
            taken += start / content.Length;
            isPast = start < token.Length || taken == left;
            token = token[start..];
        }
        // What may yet be the end is held back.
        token = held + token;
        var end = Ends(token, right);
        held = token[end..];
        Give(token[..end]);
    }

    internal override void Flush()
    {
        (taken, isPast, held) = (0, false, "");
        base.Flush();
    }

    private int Begins(string token, int from, int most)
    {
        for (; most > 0 && string.CompareOrdinal(token, from, content, 0, content.Length) == 0; most--)
            from += content.Length;
        return from;
    }

    private int Ends(string token, int most)
    {
        var end = token.Length;
        for (; most > 0 && end >= content.Length && string.CompareOrdinal(token, end - content.Length, content, 0, content.Length) == 0; most--)
            end -= content.Length;
        return end;
    }
}

/// <summary>WordPiece: a blank before each token that does not go on a word.</summary>
internal sealed class WordPieceDecoder(string prefix, bool cleansUp) : TokenDecoder
{
    private bool hasBegun;

    /// <summary>Takes blanks away before signs and English contractions.</summary>
    internal static string Clean(string text)
    {
        foreach (var (dirty, clean) in new[] { (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re") })
            text = text.Replace(dirty, clean, StringComparison.Ordinal);
        return text;
    }

    internal override void Add(string token)
    {
        if (hasBegun)
            token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
        hasBegun = true;
        Give(cleansUp ? Clean(token) : token);
    }

    internal override void Flush()
    {
        hasBegun = false;
        base.Flush();
    }
}

/// <summary>BPE with a mark at the end of a word: marks become blanks, that of the last token nothing.</summary>
internal sealed class SuffixDecoder(string suffix) : TokenDecoder
{
    private string? held;

    internal override bool Holds => held is not null || base.Holds;

    internal override void Add(string token)
    {
        if (held is not null)
            Give(Replaced(held, " "));
        held = token;
    }

    internal override void Flush()
    {
        if (held is not null)
            Give(Replaced(held, ""));
        held = null;
        base.Flush();
    }

    private string Replaced(string token, string content) => suffix.Length == 0 ? token : token.Replace(suffix, content, StringComparison.Ordinal);
}

/// <summary>CTC: repeated tokens once, without padding.</summary>
internal sealed class CtcDecoder(string padding, string delimiter, bool cleansUp) : TokenDecoder
{
    private string? last;

    internal override void Add(string token)
    {
        if (token == last)
            return;
        last = token;
        var text = padding.Length == 0 ? token : token.Replace(padding, "", StringComparison.Ordinal);
        if (cleansUp)
            text = WordPieceDecoder.Clean(text) is var clean && delimiter.Length > 0 ? clean.Replace(delimiter, " ", StringComparison.Ordinal) : text;
        if (text.Length > 0)
            Give(text);
    }

    internal override void Flush()
    {
        last = null;
        base.Flush();
    }
}
