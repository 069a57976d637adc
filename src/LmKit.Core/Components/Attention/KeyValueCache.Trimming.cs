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
        var rows = slots.IsUniform ? Math.Min(1, (int)cursor.Batch) : (int)cursor.Batch;
        var kept = new List<int>[rows];
        for (var row = 0; row < rows; row++)
            kept[row] = Useful(row);
        var width = kept.Length == 0 ? 0 : kept.Max(row => row.Count);
        if (width < slots.Count)
            Select(kept, width);
        dropAt = width + Math.Max(SpareSlots, width / 4);
    }

    // The slots of a row that its next query may see.
    private List<int> Useful(int row)
    {
        var positions = slots.Positions(row);
        var documents = slots.Documents(row);
        using var next = tensor(new[] { cursor.Counts[row] });
        using var held = tensor(positions.ToArray());
        using var visible = mask.Visible(next, held); // (1, M)
        var seen = visible is null ? null : HostValues.Read(visible);
        var useful = new List<int>();
        for (var slot = 0; slot < positions.Length; slot++)
        {
            if ((documents.IsEmpty || documents[slot] == cursor.Documents[row]) && (seen is null || seen[slot] != 0))
                useful.Add(slot);
        }
        return useful;
    }

    private void Select(List<int>[] kept, int width)
    {
        var chosen = new long[kept.Length * width];
        for (var row = 0; row < kept.Length; row++)
        {
            for (var index = 0; index < kept[row].Count; index++)
                chosen[row * width + index] = kept[row][index];
        }
        var (batch, heads, dim) = (keys.size(0), keys.size(1), keys.size(3));
        var wide = tensor(chosen, [kept.Length, 1, width, 1], device: keys.device).expand(batch, heads, width, dim);
        Keep(ref keys, keys.gather(2, wide));
        Keep(ref values, values.gather(2, wide));
        slots.Select(kept, width);
    }
}
