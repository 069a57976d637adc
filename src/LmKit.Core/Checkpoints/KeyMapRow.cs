using static TorchSharp.torch;

namespace LmKit;

/// <summary>One row of a key map: published name patterns, ours, and how the tensors change between them.</summary>
/// <remarks>
/// In a pattern, a letter or word in braces stands for a number, the same one in every pattern of the row:
/// <c>backbone.layers.{l}.norm1.weight</c>. All other characters stand for themselves.
/// </remarks>
/// <param name="Published">Patterns of the published tensors, in the order the step takes them.</param>
/// <param name="Ours">Patterns of our tensors, in the order the step takes them.</param>
/// <param name="Step">The rearrangement between the two.</param>
/// <param name="LayerShift">Our <c>{l}</c> is the published one plus this.</param>
public sealed record KeyMapRow(IReadOnlyList<string> Published, IReadOnlyList<string> Ours, LayoutStep Step, int LayerShift = 0)
{
    /// <summary>One tensor under two names, with an optional <paramref name="step"/> between them.</summary>
    public static KeyMapRow Rename(string published, string ours, LayoutStep? step = null, int layerShift = 0) =>
        new([published], [ours], step ?? LayoutStep.Same, layerShift);

    /// <summary>One published tensor whose rows are several of ours, such as Wqkv; without <paramref name="sizes"/> in equal parts.</summary>
    public static KeyMapRow Split(string published, string[] ours, long[]? sizes = null, int layerShift = 0) =>
        new([published], ours, LayoutStep.SplitRows(sizes ?? []), layerShift);

    /// <summary>Several published tensors that are the rows of one of ours; without <paramref name="sizes"/> in equal parts.</summary>
    public static KeyMapRow Join(string[] published, string ours, long[]? sizes = null, int layerShift = 0) =>
        new(published, [ours], LayoutStep.JoinRows(sizes ?? []), layerShift);

    /// <summary>A published tensor that has no counterpart here and is left out.</summary>
    public static KeyMapRow Omit(string published) => new([published], [], LayoutStep.Same);

    /// <summary>A published tensor that has no counterpart here because it follows from sizes, such as rotary's frequencies: left out of
    /// ours, made for the published layout.</summary>
    /// <param name="published">Its name, without numbers in braces.</param>
    /// <param name="make">Makes it; the result is the map's.</param>
    public static KeyMapRow Derive(string published, Func<Tensor> make)
    {
        ArgumentNullException.ThrowIfNull(published);
        ArgumentNullException.ThrowIfNull(make);
        return published.Contains('{', StringComparison.Ordinal)
            ? throw new ArgumentException($"'{published}' stands for several tensors; a derived one is written once, by its whole name.", nameof(published))
            : new([published], [], new DerivedLayout(make));
    }
}
