using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Documents of similar length from a packed or padded batch, each as a row of its own, aligned left.</summary>
/// <remarks>Made by <see cref="DocumentGroups"/>. The tail of a shorter row repeats its last token: a causal mixer's valid outputs
/// do not depend on it, and what a mixer carries on must be taken at <see cref="Lengths"/>.</remarks>
public sealed class DocumentGroup
{
    private readonly long[] index;

    internal DocumentGroup(long length, long[] index, long[] rows, long[] lengths, bool[] continues, bool[] endsRow)
    {
        Length = length;
        this.index = index;
        Rows = rows;
        Lengths = lengths;
        Continues = continues;
        EndsRow = endsRow;
    }

    /// <summary>Columns of the group: its longest document.</summary>
    public long Length { get; }

    /// <summary>Number of documents G.</summary>
    public long Count => Rows.Count;

    /// <summary>The batch row of each document.</summary>
    public IReadOnlyList<long> Rows { get; }

    /// <summary>The length of each document within this call.</summary>
    public IReadOnlyList<long> Lengths { get; }

    /// <summary>Whether each document began in an earlier call and goes on from its row's state.</summary>
    public IReadOnlyList<bool> Continues { get; }

    /// <summary>Whether each document is its row's last, whose end is the row's new state.</summary>
    public IReadOnlyList<bool> EndsRow { get; }

    /// <summary>Whether all documents have the group's full length.</summary>
    public bool IsEven => Lengths.All(length => length == Length);

    /// <summary>Takes the group's tokens out of a batch: (B, L, D) to (G, <see cref="Length"/>, D).</summary>
    public Tensor Split(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        using var places = tensor(index, device: x.device);
        using var flat = x.reshape(-1, x.size(2));
        using var taken = flat.index_select(0, places);
        return taken.view(Count, Length, x.size(2));
    }
}
