namespace LmKit;

/// <summary>An expression over whole characters, as Oniguruma finds it.</summary>
/// <remarks>
/// .NET's own expressions see a character beyond U+FFFF as two and know no scripts, so published splits are matched here. A search of n
/// characters may take 100,000 + 1,000 n steps; an expression that takes more is refused with its text. Immutable, for any number of
/// threads.
/// </remarks>
internal sealed partial class TextPattern
{
    private const int FreeSteps = 100_000;
    private const int StepsEach = 1_000;

    private readonly string source;
    private readonly List<Step> steps = [];
    private readonly Step[] program;
    private readonly CodePointSet? first;

    /// <summary>Reads an expression.</summary>
    /// <exception cref="FormatException">It is malformed or uses what is not supported; says what and where.</exception>
    internal TextPattern(string source)
    {
        this.source = source;
        var node = PatternParser.Parse(source);
        Emit(node);
        _ = Add(Code.Found);
        program = [.. steps];
        first = PatternNode.IsEmpty(node) ? null : PatternNode.First(node);
    }

    private enum Code
    {
        One,
        Many, // Set from Least to Most times, greedy; gives back unless IsAtomic
        Either, // go on at once, at To when that fails; not even tried when the next character is not in Set
        Jump,
        Count, // a loop's beginning of a turn: remembers the place in Slot
        Turn, // a loop's end of a turn: jumps back to To unless nothing was taken
        Keep, // begins an atomic part
        Cut, // ends it: forgets its choices
        Ahead, // To is where to go on
        AheadEnd,
        Behind,
        Place,
        Found,
    }

    private sealed class Step
    {
        internal Code Code { get; init; }

        internal CodePointSet? Set { get; set; }

        internal int To { get; set; }

        internal int Least { get; init; }

        internal int Most { get; init; } = -1;

        internal bool IsAtomic { get; init; }

        internal bool IsNot { get; init; }

        internal PatternPlace Kind { get; init; }

        internal TextPattern[] Inner { get; init; } = [];

        internal int[] Lengths { get; init; } = [];
    }

    /// <summary>All matches, in order, none of them beginning in another.</summary>
    internal void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        var run = new Run(this, text, FreeSteps + ((long)StepsEach * text.Length));
        var (place, lastEnd) = (0, -1);
        while (place <= text.Length)
        {
            if (first is not null)
            {
                while (place < text.Length)
                {
                    var value = CodePointSet.At(text, place, out var length);
                    if (first.Contains(value))
                        break;
                    place += length;
                }
                if (place >= text.Length)
                    return;
            }
            var end = run.Match(place);
            if (end < 0 || (end == place && end == lastEnd))
            {
                place += place < text.Length && char.IsHighSurrogate(text[place]) && place + 1 < text.Length ? 2 : 1;
                continue;
            }
            matches.Add((place, end));
            lastEnd = end;
            place = end > place ? end : end + (end < text.Length && char.IsHighSurrogate(text[end]) ? 2 : 1);
        }
    }

    private TextPattern(string source, PatternNode node)
    {
        this.source = source;
        Emit(node);
        _ = Add(Code.Found);
        program = [.. steps];
    }

    private Step Add(Code code)
    {
        var step = new Step { Code = code };
        steps.Add(step);
        return step;
    }

    private void Emit(PatternNode node)
    {
        if (steps.Count > 20_000)
            throw new FormatException($"the expression '{source[..Math.Min(80, source.Length)]}' is too long when its repeats are written out");
        switch (node)
        {
            case PatternNode.One one:
                Add(Code.One).Set = one.Set;
                break;
            case PatternNode.Row row:
                foreach (var part in row.Parts)
                    Emit(part);
                break;
            case PatternNode.Either either:
                EmitEither(either);
                break;
            case PatternNode.Atomic { Part: PatternNode.Repeat { Part: PatternNode.One one, IsLazy: false } repeat }:
                steps.Add(new Step { Code = Code.Many, Set = one.Set, Least = repeat.Least, Most = repeat.Most, IsAtomic = true });
                break;
            case PatternNode.Atomic atomic:
                _ = Add(Code.Keep);
                Emit(atomic.Part);
                _ = Add(Code.Cut);
                break;
            case PatternNode.Repeat { Part: PatternNode.One one, IsLazy: false } repeat:
                steps.Add(new Step { Code = Code.Many, Set = one.Set, Least = repeat.Least, Most = repeat.Most });
                break;
            case PatternNode.Repeat repeat:
                EmitRepeat(repeat);
                break;
            case PatternNode.Look look:
                EmitLook(look);
                break;
            case PatternNode.Place place:
                steps.Add(new Step { Code = Code.Place, Kind = place.Kind });
                break;
        }
    }

    private void EmitEither(PatternNode.Either either)
    {
        var ends = new List<Step>();
        for (var index = 0; index < either.Parts.Count; index++)
        {
            var part = either.Parts[index];
            var isLast = index == either.Parts.Count - 1;
            var fork = isLast ? null : Add(Code.Either);
            if (fork is not null && !PatternNode.IsEmpty(part))
                fork.Set = PatternNode.First(part);
            Emit(part);
            if (fork is null)
                continue;
            ends.Add(Add(Code.Jump));
            fork.To = steps.Count;
        }
        foreach (var end in ends)
            end.To = steps.Count;
    }

    private void EmitRepeat(PatternNode.Repeat repeat)
    {
        for (var turn = 0; turn < repeat.Least; turn++)
            Emit(repeat.Part);
        if (repeat.Most < 0)
        {
            var begin = steps.Count;
            var fork = Add(Code.Either);
            Step? over = null;
            if (repeat.IsLazy)
            {
                over = Add(Code.Jump); // first choice: over
                fork.To = steps.Count;
            }
            _ = Add(Code.Count);
            Emit(repeat.Part);
            Add(Code.Turn).To = begin;
            (over ?? fork).To = steps.Count;
            return;
        }
        var forks = new List<Step>();
        for (var turn = repeat.Least; turn < repeat.Most; turn++)
        {
            var fork = Add(Code.Either);
            if (repeat.IsLazy)
            {
                forks.Add(Add(Code.Jump));
                fork.To = steps.Count;
            }
            else
            {
                forks.Add(fork);
            }
            Emit(repeat.Part);
        }
        foreach (var fork in forks)
            fork.To = steps.Count;
    }

    private void EmitLook(PatternNode.Look look)
    {
        if (look.IsBehind)
        {
            IReadOnlyList<PatternNode> parts = look.Part is PatternNode.Either either ? either.Parts : [look.Part];
            steps.Add(new Step { Code = Code.Behind, IsNot = look.IsNot, Inner = [.. parts.Select(part => new TextPattern(source, part))], Lengths = [.. parts.Select(part => PatternNode.Length(part)!.Value)] });
            return;
        }
        steps.Add(new Step { Code = Code.Ahead, IsNot = look.IsNot, Inner = [new TextPattern(source, look.Part)] });
    }
}
