namespace LmKit;

/// <summary>A stretch of text in pieces, while pre-tokenizers split it.</summary>
internal sealed class Pieces
{
    private char[] text = new char[256];
    private char[] spare = new char[256];
    private int length;
    private List<Piece> spareList = [];

    /// <summary>The pieces in order; none is empty.</summary>
    internal List<Piece> List { get; private set; } = [];

    /// <summary>Matches of an expression; each user clears it first.</summary>
    internal List<(int Start, int End)> Matches { get; } = [];

    internal ReadOnlySpan<char> this[Piece piece] => text.AsSpan(piece.Start, piece.Length);

    /// <summary>Begins with one piece.</summary>
    internal void Set(ReadOnlySpan<char> whole, bool isFirst)
    {
        List.Clear();
        if (text.Length < whole.Length)
            text = new char[Math.Max(whole.Length, 2 * text.Length)];
        whole.CopyTo(text);
        length = whole.Length;
        if (length > 0)
            List.Add(new Piece(0, length, isFirst));
    }

    /// <summary>Splits each piece, whose text stays; a part is first when it begins the first piece.</summary>
    internal void Split(TextSplitter splitter)
    {
        spareList.Clear();
        foreach (var piece in List)
            splitter.Split(this[piece], new Parts(spareList, piece), Matches);
        (List, spareList) = (spareList, List);
    }

    /// <summary>Puts another text for each piece.</summary>
    internal void Rewrite(Func<ReadOnlySpan<char>, bool, string?> change)
    {
        spareList.Clear();
        var at = 0;
        foreach (var piece in List)
        {
            var old = this[piece];
            ReadOnlySpan<char> made = change(old, piece.IsFirst) is { } other ? other : old;
            if (made.Length == 0)
                continue;
            if (spare.Length < at + made.Length)
                Array.Resize(ref spare, Math.Max(at + made.Length, 2 * spare.Length));
            made.CopyTo(spare.AsSpan(at));
            spareList.Add(new Piece(at, made.Length, piece.IsFirst));
            at += made.Length;
        }
        length = at;
        (text, spare) = (spare, text);
        (List, spareList) = (spareList, List);
    }

    /// <summary>Lets go of what a long text took.</summary>
    internal void Trim()
    {
        const int Kept = 1 << 16;
        if (text.Length > Kept)
            text = new char[256];
        if (spare.Length > Kept)
            spare = new char[256];
        if (List.Capacity > Kept)
            List = [];
        if (spareList.Capacity > Kept)
            spareList = [];
        if (Matches.Capacity > Kept)
        {
            Matches.Clear();
            Matches.TrimExcess();
        }
    }
}

/// <summary>A part of a stretch of text.</summary>
/// <param name="Start">Where it begins.</param>
/// <param name="Length">Its characters.</param>
/// <param name="IsFirst">Whether it begins the whole text.</param>
internal readonly record struct Piece(int Start, int Length, bool IsFirst);

/// <summary>Where a splitter puts the parts of one piece.</summary>
internal readonly struct Parts(List<Piece> list, Piece piece)
{
    /// <summary>Adds a part by its places in the piece; an empty one is dropped.</summary>
    internal void Add(int start, int end)
    {
        if (end > start)
            list.Add(new Piece(piece.Start + start, end - start, piece.IsFirst && start == 0));
    }
}
