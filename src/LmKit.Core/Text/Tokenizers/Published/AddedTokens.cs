using System.Buffers;
using System.Text;

namespace LmKit;

/// <summary>A token that stands beside the model's own.</summary>
/// <param name="Text">Its text.</param>
/// <param name="Id">Its id.</param>
/// <param name="IsSpecial">Whether decoding leaves it out and untrusted text must not become it.</param>
/// <param name="IsNormalized">Whether it is looked for in the normalized text.</param>
/// <param name="StripsLeft">Whether it takes the blanks before it.</param>
/// <param name="StripsRight">Whether it takes the blanks behind it.</param>
/// <param name="IsWord">Whether it must not touch letters, marks or digits.</param>
internal sealed record AddedToken(string Text, int Id, bool IsSpecial, bool IsNormalized = false, bool StripsLeft = false, bool StripsRight = false, bool IsWord = false)
{
    /// <summary>Whether it is no special token and spelled like one: more than a character, and no letter, digit or blank at either end. Some published
    /// files have such tokens for the turns of a chat.</summary>
    internal bool IsMark => !IsSpecial && Rune.DecodeFromUtf16(Text, out var first, out var length) == OperationStatus.Done && length < Text.Length
        && Rune.DecodeLastFromUtf16(Text, out var last, out _) == OperationStatus.Done && IsSign(first) && IsSign(last);

    // The sentencepiece blank is a blank.
    private static bool IsSign(Rune rune) => !Rune.IsLetterOrDigit(rune) && !Rune.IsWhiteSpace(rune) && rune.Value != 0x2581;
}

/// <summary>Finds added tokens in text: the leftmost, of those the longest, of those the first in the list.</summary>
internal sealed class AddedTokens
{
    private static readonly Lazy<(CodePointSet Word, CodePointSet White)> Sets = new(() => (CharacterClasses.Property("rustword")!, CharacterClasses.Short('s')!));

    private readonly TextTrie trie = new();
    private readonly List<AddedToken?> ends = [null]; // of each node
    private readonly SearchValues<char> beginnings;

    /// <summary>Makes the search.</summary>
    /// <param name="tokens">Tokens, the more important ones first.</param>
    /// <param name="textOf">The text to look for.</param>
    internal AddedTokens(IEnumerable<AddedToken> tokens, Func<AddedToken, string> textOf)
    {
        var first = new HashSet<char>();
        foreach (var token in tokens)
        {
            var text = textOf(token);
            if (text.Length == 0)
                continue;
            _ = first.Add(text[0]);
            var node = trie.Add(text);
            while (ends.Count < trie.Count)
                ends.Add(null);
            ends[node] ??= token;
            AreSpecial &= token.IsSpecial;
            CanBeGuarded |= token.IsSpecial || token.IsMark;
        }
        beginnings = SearchValues.Create([.. first]);
    }

    internal bool IsEmpty => ends.Count == 1;

    /// <summary>Whether none of them may stand in a text that is not trusted.</summary>
    internal bool AreSpecial { get; } = true;

    /// <summary>Whether one of them can be kept to trusted places.</summary>
    internal bool CanBeGuarded { get; }

    /// <summary>Cuts a text into added tokens and what lies between; places may overlap where a token took blanks that another begins with.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parts">Takes the parts.</param>
    /// <param name="trust">Where special tokens may stand; null for everywhere. Where no place is trusted, nothing is looked for within their texts either, as in the
    /// published library.</param>
    /// <param name="offset">Where the text stands in what trust is about.</param>
    internal void Cut(ReadOnlySpan<char> text, List<(int Start, int End, AddedToken? Token)> parts, TrustedRanges? trust = null, int offset = 0)
    {
        parts.Clear();
        var (from, place) = (0, 0);
        while (place < text.Length)
        {
            var found = text[place..].IndexOfAny(beginnings);
            if (found < 0)
                break;
            place += found;
            if (Longest(text, place, trust, offset, out var length) is not { } token)
            {
                place++;
                continue;
            }
            var (start, end) = (place, place + length);
            place = end;
            if (token.IsSpecial && trust == TrustedRanges.None)
                continue;
            if (token.IsWord && (IsWordBefore(text, start) || IsWordAt(text, end)))
                continue;
            if (token.StripsLeft)
                start = Math.Max(start - BlanksBefore(text, start), from);
            if (token.StripsRight)
                end += BlanksAt(text, end);
            if (start == end)
                continue; // the token before took all of it
            if (from < start)
                parts.Add((from, start, null));
            parts.Add((start, end, token));
            from = end;
        }
        if (from < text.Length)
            parts.Add((from, text.Length, null));
    }

    private AddedToken? Longest(ReadOnlySpan<char> text, int place, TrustedRanges? trust, int offset, out int length)
    {
        AddedToken? found = null;
        length = 0;
        var node = 0;
        for (var end = place; end < text.Length && (node = trie.Next(node, text[end])) >= 0; end++)
        {
            if (ends[node] is not { } token || (trust is not null && trust != TrustedRanges.None && trust.Guards(token) && !trust.Holds(offset + place, offset + end + 1)))
                continue;
            found = token;
            length = end + 1 - place;
        }
        return found;
    }

    private static bool IsWordBefore(ReadOnlySpan<char> text, int place) => place > 0 && Sets.Value.Word.Contains(CodePointSet.Before(text, place, out _));

    private static bool IsWordAt(ReadOnlySpan<char> text, int place) => place < text.Length && Sets.Value.Word.Contains(CodePointSet.At(text, place, out _));

    private static int BlanksBefore(ReadOnlySpan<char> text, int place)
    {
        var start = place;
        while (start > 0 && Sets.Value.White.Contains(text[start - 1])) // all blanks are below U+10000
            start--;
        return place - start;
    }

    private static int BlanksAt(ReadOnlySpan<char> text, int place)
    {
        var end = place;
        while (end < text.Length && Sets.Value.White.Contains(text[end]))
            end++;
        return end - place;
    }
}
