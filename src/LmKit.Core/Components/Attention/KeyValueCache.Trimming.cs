using static TorchSharp.torch;

namespace LmKit;

public sealed partial class KeyValueCache
{
    /// <summary>Drops what the mask hides from every later query, once enough has gathered to pay for the copy.</summary>
    internal void Trim()
    {
        if (!mask.Forgets || slots.Count < dropAt)
            return;
        using var scope = NewDisposeScope();
        (origin, trail) = (At(Count - Room), Room);
        var rows = slots.IsUniform ? Math.Min(1, (int)cursor.Batch) : (int)cursor.Batch;
        var kept = new List<int>[rows];
        for (var row = 0; row < rows; row++)
            kept[row] = Useful(row);
        var width = kept.Length == 0 ? 0 : kept.Max(row => row.Count);
        if (width < slots.Count)
            Select(kept, width);
        dropAt = width + Math.Max(SpareSlots, width / 4);
    }

    // The slots of a row that its next query may see, or that of a row rolled back as far as it can be.
    private List<int> Useful(int row)
    {
        var positions = slots.Positions(row);
        var documents = slots.Documents(row);
        using var next = tensor(new[] { origin.Counts[row] });
        using var held = tensor(positions.ToArray());
        using var visible = mask.Visible(next, held); // (1, M)
        var seen = visible is null ? null : HostValues.Read(visible);
        var useful = new List<int>();
        for (var slot = 0; slot < positions.Length; slot++)
        {
            var isOfOrigin = documents.IsEmpty || documents[slot] == origin.Documents[row];
            if (slot >= positions.Length - trail || (isOfOrigin && (seen is null || seen[slot] != 0)))
                useful.Add(slot);
        }
        return useful;
    }

    private void Select(List<int>[] kept, int width)
    {
        var chosen = new long[kept.Length * width];
        for (var row = 0; row < kept.Length; row++)
        {
            var to = (row + 1) * width - kept[row].Count; // the last columns stay the last
            foreach (var slot in kept[row])
                chosen[to++] = slot;
        }
        using var index = tensor(chosen, [kept.Length, width]);
        buffers.Select(index);
        slots.Select(kept, width);
    }
}
