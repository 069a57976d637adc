using System.Numerics;

namespace LmKit;

/// <summary>Best-fit decreasing packing: longest first, each into the fullest row that still has room.</summary>
/// <remarks>Ties go to the document that came first and to the row that reached its space first.</remarks>
public static class BestFitPacking
{
    private const int WordBits = 64;

    /// <summary>Plans rows of a capacity.</summary>
    /// <param name="lengths">The documents' lengths.</param>
    /// <param name="capacity">Tokens of a row.</param>
    /// <param name="splits">Cuts documents that are too long into pieces; else their end is left out.</param>
    public static PackingPlan Plan(IReadOnlyList<int> lengths, int capacity, bool splits = false)
    {
        ArgumentNullException.ThrowIfNull(lengths);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 1 << 28);
        var pieces = Pieces(lengths, capacity, splits).ToArray();
        var rows = new List<List<int>>();
        var open = new Queue<int>?[capacity]; // rows by the space they have left
        var spaces = new ulong[capacity / WordBits + 1]; // which spaces have a row
        foreach (var index in Enumerable.Range(0, pieces.Length).OrderByDescending(index => pieces[index].Length))
        {
            var length = pieces[index].Length;
            var space = Smallest(spaces, length);
            int row;
            if (space < 0)
            {
                (row, space) = (rows.Count, capacity);
                rows.Add([]);
            }
            else
            {
                row = open[space]!.Dequeue();
                if (open[space]!.Count == 0)
                    spaces[space / WordBits] &= ~(1UL << (space % WordBits));
            }
            rows[row].Add(index);
            var left = space - length;
            if (left == 0)
                continue;
            (open[left] ??= new Queue<int>()).Enqueue(row);
            spaces[left / WordBits] |= 1UL << (left % WordBits);
        }
        return new PackingPlan(pieces, rows, capacity);
    }

    private static IEnumerable<PackedPiece> Pieces(IReadOnlyList<int> lengths, int capacity, bool splits)
    {
        for (var document = 0; document < lengths.Count; document++)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(lengths[document], nameof(lengths));
            for (var start = 0L; start < lengths[document]; start += capacity)
            {
                yield return new PackedPiece(document, (int)start, (int)Math.Min(capacity, lengths[document] - start));
                if (!splits)
                    break;
            }
        }
    }

    private static int Smallest(ulong[] spaces, int atLeast)
    {
        var word = atLeast / WordBits;
        if (word >= spaces.Length)
            return -1;
        var bits = spaces[word] & (ulong.MaxValue << (atLeast % WordBits));
        while (bits == 0)
        {
            if (++word == spaces.Length)
                return -1;
            bits = spaces[word];
        }
        return word * WordBits + BitOperations.TrailingZeroCount(bits);
    }
}

/// <summary>Which pieces share a row.</summary>
/// <param name="Pieces">The pieces, in the documents' order; empty documents have none.</param>
/// <param name="Rows">For each row the indices of its pieces, in the order of placing.</param>
/// <param name="Capacity">Tokens of a row.</param>
public sealed record PackingPlan(IReadOnlyList<PackedPiece> Pieces, IReadOnlyList<IReadOnlyList<int>> Rows, int Capacity)
{
    /// <summary>The share of the rows' tokens that is no padding.</summary>
    public double Fill => Rows.Count == 0 ? 1 : Pieces.Sum(piece => (double)piece.Length) / ((double)Rows.Count * Capacity);
}

/// <summary>A document, or a part of one, that is packed as a whole.</summary>
/// <param name="Document">The document's index.</param>
/// <param name="Start">Its first token taken.</param>
/// <param name="Length">How many tokens.</param>
public readonly record struct PackedPiece(int Document, int Start, int Length);
