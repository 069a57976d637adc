using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Edits of activations along the atoms of known attributes, and how much each attribute weighs.</summary>
public static class SupervisedEdit
{
    /// <summary>Changes attributes of activations (B, D): old atoms out, in the order of the blocks, then new atoms in.</summary>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="activations">Activations (B, D).</param>
    /// <param name="from">Their attribute values (B, A).</param>
    /// <param name="to">Values wanted (B, A).</param>
    /// <param name="blocks">Indices of the blocks that change.</param>
    /// <param name="method">How atoms are taken out.</param>
    /// <returns>Edited activations; the caller disposes them.</returns>
    public static Tensor Apply(SupervisedDictionary dictionary, Tensor activations, Tensor from, Tensor to, IReadOnlyList<int> blocks, EditMethod method = EditMethod.Arithmetic)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(blocks);
        var check = new TensorCheck(nameof(SupervisedEdit));
        check.Floating(dictionary.Atoms, nameof(dictionary), "F D");
        check.Floating(activations, nameof(activations), "B D");
        check.Integers(from, nameof(from), "B A");
        check.Integers(to, nameof(to), "B A");
        using var scope = NewDisposeScope();
        var edited = activations.alias();
        foreach (var block in blocks)
            edited = TakeOut(edited, dictionary.Selected(block, from), dictionary.Bias, method);
        foreach (var block in blocks)
            edited = edited + dictionary.Selected(block, to);
        return edited.MoveToOuterDisposeScope();
    }

    /// <summary>Each block's share (B, blocks) of the centred reconstruction r: r_i . r / |r|^2, which sum to 1; the caller disposes it.</summary>
    public static Tensor Weights(SupervisedDictionary dictionary, Tensor attributes)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        using var scope = NewDisposeScope();
        var parts = stack([.. Enumerable.Range(0, dictionary.Blocks.Count).Select(block => dictionary.Selected(block, attributes))], 1); // (B, blocks, D)
        var whole = parts.sum(1, keepdim: true);
        return ((parts * whole).sum(2) / whole.square().sum(2)).MoveToOuterDisposeScope();
    }

    private static Tensor TakeOut(Tensor values, Tensor atoms, Tensor mean, EditMethod method)
    {
        if (method == EditMethod.Arithmetic)
            return values - atoms;
        var norms = atoms.norm(1, keepdim: true);
        var unit = atoms / norms.masked_fill(norms.eq(0), 1);
        var own = (values * unit).sum(1, keepdim: true);
        var wanted = method == EditMethod.ZeroSubspace ? zeros_like(own) : unit.mv(mean).unsqueeze(1);
        if (method == EditMethod.OfficialMeanSubspace)
            wanted = wanted * unit.sum(1, keepdim: true);
        return values + (wanted - own) * unit;
    }
}

/// <summary>How a supervised edit takes the old value's atom out of an activation.</summary>
public enum EditMethod
{
    /// <summary>Subtracts the atom; used for all reported results.</summary>
    Arithmetic,

    /// <summary>Removes the activation's projection on the atom.</summary>
    ZeroSubspace,

    /// <summary>Replaces that projection by the mean activation's.</summary>
    MeanSubspace,

    /// <summary>As the authors' code computes the former: the mean's projection counts once for every coordinate of the unit atom.</summary>
    OfficialMeanSubspace,
}
