using static TorchSharp.torch;

namespace LmKit;

/// <summary>How the tensors of a key map's row change between the published layout and ours.</summary>
/// <remarks>
/// Only rearrangements: <see cref="ToPublished"/> undoes <see cref="ToOurs"/> exactly. Both return new tensors that the
/// caller disposes, and read the ones they are given without changing or keeping them.
/// </remarks>
public abstract class LayoutStep
{
    /// <summary>One tensor on each side, unchanged.</summary>
    public static LayoutStep Same { get; } = new SameLayout();

    /// <summary>One tensor on each side, the last two axes exchanged.</summary>
    public static LayoutStep Transpose { get; } = new TransposeLayout();

    /// <summary>One published tensor is ours side by side along axis 0; without <paramref name="sizes"/> all parts are equal.</summary>
    public static LayoutStep SplitRows(params long[] sizes) => new SplitRowsLayout(sizes);

    /// <summary>Several published tensors side by side along axis 0 are one of ours; <paramref name="sizes"/> are the published ones' rows.</summary>
    public static LayoutStep JoinRows(params long[] sizes) => new JoinRowsLayout(new SplitRowsLayout(sizes));

    /// <summary>Our row i is the published row <paramref name="order"/>[i].</summary>
    public static LayoutStep PermuteRows(params long[] order) => new PermuteRowsLayout(order);

    /// <summary>Makes our <paramref name="count"/> tensors from the published ones.</summary>
    public abstract Tensor[] ToOurs(Tensor[] published, int count);

    /// <summary>Makes the <paramref name="count"/> published tensors from ours.</summary>
    public abstract Tensor[] ToPublished(Tensor[] ours, int count);
}
