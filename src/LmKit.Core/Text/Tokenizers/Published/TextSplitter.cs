namespace LmKit;

/// <summary>A step that splits pieces of text further before a model makes tokens of them.</summary>
internal abstract class TextSplitter
{
    /// <summary>Adds the parts of one piece.</summary>
    /// <param name="text">The piece; not empty.</param>
    /// <param name="parts">Takes the parts.</param>
    /// <param name="matches">A list to use.</param>
    internal virtual void Split(ReadOnlySpan<char> text, Parts parts, List<(int Start, int End)> matches) => parts.Add(0, text.Length);

    /// <summary>Does the step for all pieces.</summary>
    internal virtual void Apply(Pieces pieces) => pieces.Split(this);
}

/// <summary>What becomes of a match and of what lies between matches.</summary>
internal enum SplitBehavior
{
    /// <summary>Both are pieces.</summary>
    Isolated,

    /// <summary>Matches are dropped.</summary>
    Removed,

    /// <summary>Matches end the piece before them.</summary>
    MergedWithPrevious,

    /// <summary>Matches begin the piece after them.</summary>
    MergedWithNext,

    /// <summary>Neighbouring matches are one piece.</summary>
    Contiguous,
}

/// <summary>Splits at a text or an expression.</summary>
internal sealed class PatternSplitter(TextMatcher matcher, SplitBehavior behavior, bool isInverted) : MatchSplitter(behavior, isInverted)
{
    protected override void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches) => matcher.Find(text, matches);
}

/// <summary>Splits at each character of a set.</summary>
internal sealed class CharacterSplitter(CodePointSet set, SplitBehavior behavior) : MatchSplitter(behavior, isInverted: false)
{
    protected override void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        for (var place = 0; place < text.Length;)
        {
            var value = CodePointSet.At(text, place, out var length);
            if (set.Contains(value))
                matches.Add((place, place + length));
            place += length;
        }
    }
}

/// <summary>Words of letters, marks and digits, and runs of other signs; blanks are dropped.</summary>
internal sealed class WordSplitter : TextSplitter
{
    private static readonly Lazy<(CodePointSet Word, CodePointSet White)> Sets = new(() => (CharacterClasses.Property("rustword")!, CharacterClasses.Short('s')!));

    internal override void Split(ReadOnlySpan<char> text, Parts parts, List<(int Start, int End)> matches)
    {
        var (word, white) = Sets.Value;
        var (start, kind) = (0, -1);
        for (var place = 0; place < text.Length;)
        {
            var value = CodePointSet.At(text, place, out var length);
            var next = word.Contains(value) ? 1 : white.Contains(value) ? 0 : 2;
            if (next != kind)
            {
                if (kind > 0)
                    parts.Add(start, place);
                (start, kind) = (place, next);
            }
            place += length;
        }
        if (kind > 0)
            parts.Add(start, text.Length);
    }
}

/// <summary>Splits where the script changes; blanks and unknown characters go with what is before them.</summary>
internal sealed class ScriptSplitter : TextSplitter
{
    internal override void Split(ReadOnlySpan<char> text, Parts parts, List<(int Start, int End)> matches)
    {
        var start = -1; // what is before the first character of a script is dropped, as the published library does
        var last = ScriptTable.None;
        for (var place = 0; place < text.Length;)
        {
            var script = ScriptTable.Of(CodePointSet.At(text, place, out var length));
            if (script != ScriptTable.None && script != last)
            {
                if (start >= 0)
                    parts.Add(start, place);
                start = place;
                last = script;
            }
            place += length;
        }
        if (start >= 0)
            parts.Add(start, text.Length);
    }
}

/// <summary>Pieces of a fixed number of characters.</summary>
internal sealed class LengthSplitter(int size) : TextSplitter
{
    internal override void Split(ReadOnlySpan<char> text, Parts parts, List<(int Start, int End)> matches)
    {
        var (start, count) = (0, 0);
        for (var place = 0; place < text.Length;)
        {
            _ = CodePointSet.At(text, place, out var length);
            place += length;
            if (++count < size)
                continue;
            parts.Add(start, place);
            (start, count) = (place, 0);
        }
        parts.Add(start, text.Length);
    }
}

/// <summary>Blanks as a mark, one before the text too, and a piece from each mark on.</summary>
internal sealed class MetaspaceSplitter(char mark, MetaspaceScheme scheme, bool splits) : TextSplitter
{
    internal override void Apply(Pieces pieces)
    {
        pieces.Rewrite((text, isFirst) =>
        {
            var adds = text[0] != mark && text[0] != ' ' && (scheme == MetaspaceScheme.Always || (scheme == MetaspaceScheme.First && isFirst));
            if (!adds && !text.Contains(' '))
                return null;
            return (adds ? mark.ToString() : "") + text.ToString().Replace(' ', mark);
        });
        if (splits)
            pieces.Split(this);
    }

    internal override void Split(ReadOnlySpan<char> text, Parts parts, List<(int Start, int End)> matches)
    {
        var start = 0;
        for (var place = 1; place < text.Length; place++)
        {
            if (text[place] != mark)
                continue;
            parts.Add(start, place);
            start = place;
        }
        parts.Add(start, text.Length);
    }
}

/// <summary>Where a mark is put before a text.</summary>
internal enum MetaspaceScheme
{
    Always,
    First,
    Never,
}

/// <summary>A blank before each piece that begins with none.</summary>
internal sealed class BlankSplitter : TextSplitter
{
    internal override void Apply(Pieces pieces) => pieces.Rewrite((text, _) => text[0] == ' ' ? null : " " + text.ToString());
}

/// <summary>Every byte of a piece as a printable character, where the splits do not end in it.</summary>
internal sealed class SpellSplitter : TextSplitter
{
    internal override void Apply(Pieces pieces) => pieces.Rewrite((text, _) => ByteAlphabet.Spell(System.Text.Encoding.UTF8.GetBytes(text.ToString())));
}
