namespace LmKit;

/// <summary>A part of an expression over characters.</summary>
internal abstract record PatternNode
{
    /// <summary>One character of a set.</summary>
    internal sealed record One(CodePointSet Set) : PatternNode;

    /// <summary>Parts one after another; none is the empty text.</summary>
    internal sealed record Row(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>The first part that matches.</summary>
    internal sealed record Either(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>A part several times; <paramref name="Most"/> below 0 is without end.</summary>
    internal sealed record Repeat(PatternNode Part, int Least, int Most, bool IsLazy) : PatternNode;

    /// <summary>A part that is not tried again once it matched.</summary>
    internal sealed record Atomic(PatternNode Part) : PatternNode;

    /// <summary>What must or must not stand here; <paramref name="IsBehind"/> looks back.</summary>
    internal sealed record Look(PatternNode Part, bool IsBehind, bool IsNot) : PatternNode;

    /// <summary>A place in the text.</summary>
    internal sealed record Place(PatternPlace Kind) : PatternNode;

    /// <summary>The number of characters that the part always has, or null.</summary>
    internal static int? Length(PatternNode node)
    {
        switch (node)
        {
            case One:
                return 1;
            case Row row:
                return row.Parts.Aggregate((int?)0, (sum, part) => sum + Length(part));
            case Either either:
                var lengths = either.Parts.Select(Length).Distinct().ToList();
                return lengths.Count == 1 ? lengths[0] : null;
            case Repeat repeat:
                return repeat.Least == repeat.Most ? Length(repeat.Part) * repeat.Least : null;
            case Atomic atomic:
                return Length(atomic.Part);
            default:
                return 0;
        }
    }

    /// <summary>Whether the part can match without taking a character.</summary>
    internal static bool IsEmpty(PatternNode node) => node switch
    {
        One => false,
        Row row => row.Parts.All(IsEmpty),
        Either either => either.Parts.Any(IsEmpty),
        Repeat repeat => repeat.Least == 0 || IsEmpty(repeat.Part),
        Atomic atomic => IsEmpty(atomic.Part),
        _ => true,
    };

    /// <summary>The characters that a match can begin with; meaningless where it can be empty.</summary>
    internal static CodePointSet First(PatternNode node)
    {
        switch (node)
        {
            case One one:
                return one.Set;
            case Row row:
                var set = CodePointSet.Empty;
                foreach (var part in row.Parts)
                {
                    set = set.Or(First(part));
                    if (!IsEmpty(part))
                        break;
                }
                return set;
            case Either either:
                return either.Parts.Aggregate(CodePointSet.Empty, (sum, part) => sum.Or(First(part)));
            case Repeat repeat:
                return First(repeat.Part);
            case Atomic atomic:
                return First(atomic.Part);
            default:
                return CodePointSet.Empty;
        }
    }
}

/// <summary>Places that an expression can ask for.</summary>
internal enum PatternPlace
{
    TextStart,
    TextEnd,
    TextEndOrLastLine,
    LineStart,
    LineEnd,
    WordBorder,
    NoWordBorder,
}
