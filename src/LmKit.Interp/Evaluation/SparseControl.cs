using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Edits with few features: swap coefficients of a clean input for those of a counterfactual (Makelov et al. 2024, test 2).</summary>
public static class SparseControl
{
    /// <summary>Picks features one by one, each the one that brings the edit nearest to the counterfactual; ties go to the lower index.</summary>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="clean">Clean activations with their attributes.</param>
    /// <param name="counterfactual">Counterfactual activations with theirs.</param>
    /// <param name="count">Picks k.</param>
    /// <param name="objective">What to come close to.</param>
    /// <remarks>Works with products only, O(F) per pick and row: no (B, F, D) is made. A pick never increases the distance. Where rows are
    /// normalised, swaps are made with the clean row's factor; codes stay as they are.</remarks>
    public static ControlEdit Greedy(IDictionary dictionary, ActivationBatch clean, ActivationBatch counterfactual, int count, ControlObjective objective = ControlObjective.Activation)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(counterfactual);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        CheckPair(clean, counterfactual);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (from, to) = (dictionary.Encode(clean), dictionary.Encode(counterfactual));
        var delta = RowScaling.InRawUnits(to - from, dictionary, clean.Values); // (B, F)
        var residual = objective == ControlObjective.Activation
            ? counterfactual.Values - clean.Values
            : delta.mm(dictionary.Atoms);
        var atoms = dictionary.Atoms;
        var squares = atoms.square().sum(1); // (F)
        var products = residual.mm(atoms.t()); // (B, F)
        var start = residual.clone();
        var (features, distances) = (new List<Tensor>(), new List<Tensor>());
        for (var pick = 0; pick < count; pick++)
        {
            var gain = delta.square() * squares - delta * products * 2;
            var best = First(gain);
            var step = delta.gather(1, best) * atoms.index_select(0, best.squeeze(1)); // (B, D)
            residual = residual - step;
            products = products - step.mm(atoms.t());
            delta = delta.scatter(1, best, zeros_like(best, delta.dtype));
            features.Add(best);
            distances.Add(residual.norm(1).unsqueeze(1));
        }
        var picked = count > 0 ? cat(features, 1) : zeros([from.size(0), 0], ScalarType.Int64, from.device);
        var (taken, given) = Swapped(picked, from, to);
        return new(
            (clean.Values + start - residual).MoveToOuterDisposeScope(),
            picked.MoveToOuterDisposeScope(),
            (count > 0 ? cat(distances, 1) : zeros([from.size(0), 0], from.dtype, from.device)).MoveToOuterDisposeScope(),
            taken.MoveToOuterDisposeScope(),
            given.MoveToOuterDisposeScope());
    }

    /// <summary>Weights w_j = a_j dec_j . (x_hat - b) / |x_hat - b|^2 of codes (B, F), which sum to 1 in a row; NaN for empty codes.</summary>
    /// <remarks>A row's factor divides out: normalised codes have the weights of raw ones.</remarks>
    public static Tensor Weights(IDictionary dictionary, Tensor codes)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        var check = new TensorCheck(nameof(SparseControl));
        check.Floating(dictionary.Atoms, nameof(dictionary), "F D");
        check.Floating(codes, nameof(codes), "B F");
        using var scope = NewDisposeScope();
        var centred = codes.mm(dictionary.Atoms);
        return (codes * centred.mm(dictionary.Atoms.t()) / centred.square().sum(1, keepdim: true)).MoveToOuterDisposeScope();
    }

    /// <summary>Swaps the clean value's best active features for the counterfactual value's: 2 count features in all.</summary>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="clean">Clean activations.</param>
    /// <param name="counterfactual">Counterfactual activations.</param>
    /// <param name="order">For each attribute value, all features by falling F1 (values, F).</param>
    /// <param name="cleanValues">Attribute value (B) of the clean inputs.</param>
    /// <param name="counterfactualValues">Attribute value (B) of the counterfactual ones.</param>
    /// <param name="count">Features removed, and features added.</param>
    /// <returns>Edited activations and the features removed and added (B, count): the best active ones, then inactive ones without
    /// effect; the caller disposes all.</returns>
    public static (Tensor Edited, Tensor Removed, Tensor Added) ByInterpretation(
        IDictionary dictionary, ActivationBatch clean, ActivationBatch counterfactual, Tensor order, Tensor cleanValues, Tensor counterfactualValues, int count)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(counterfactual);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        CheckPair(clean, counterfactual);
        var check = new TensorCheck(nameof(SparseControl));
        check.Bind("F", dictionary.Atoms.size(0));
        check.Bind("B", clean.Values.size(0));
        check.Integers(order, nameof(order), "V F");
        check.Integers(cleanValues, nameof(cleanValues), "B");
        check.Integers(counterfactualValues, nameof(counterfactualValues), "B");
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, check["F"]);
        AttributeCodes.CheckBelow(order, check["F"], nameof(order));
        AttributeCodes.CheckBelow(cleanValues, check["V"], nameof(cleanValues));
        AttributeCodes.CheckBelow(counterfactualValues, check["V"], nameof(counterfactualValues));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (from, to) = (dictionary.Encode(clean), dictionary.Encode(counterfactual));
        var removed = BestActive(from, order, cleanValues, count);
        var added = BestActive(to, order, counterfactualValues, count);
        var change = zeros_like(from).scatter(1, added, to.gather(1, added)) - zeros_like(from).scatter(1, removed, from.gather(1, removed));
        return ((clean.Values + RowScaling.InRawUnits(change, dictionary, clean.Values).mm(dictionary.Atoms)).MoveToOuterDisposeScope(), removed.MoveToOuterDisposeScope(), added.MoveToOuterDisposeScope());
    }

    private static Tensor BestActive(Tensor codes, Tensor order, Tensor values, int count)
    {
        var ranked = order.index_select(0, values); // (B, F)
        var inactive = codes.gather(1, ranked).le(0).to(ScalarType.Int64);
        var (_, places) = inactive.sort(1, descending: false, stable: true);
        return ranked.gather(1, places.narrow(1, 0, count));
    }

    // The first index of each row's least entry.
    private static Tensor First(Tensor values)
    {
        var least = values.eq(values.amin([1], keepdim: true));
        var places = arange(values.size(1), device: values.device).unsqueeze(0);
        return where(least, places, full_like(places, values.size(1))).amin([1], keepdim: true);
    }

    // A feature picked again has nothing left to swap.
    internal static void CheckPair(ActivationBatch clean, ActivationBatch counterfactual)
    {
        var check = new TensorCheck(nameof(SparseControl));
        check.Floating(clean.Values, "clean values", "B D");
        check.Floating(counterfactual.Values, "counterfactual values", "B D");
    }

    private static (Tensor Taken, Tensor Given) Swapped(Tensor picked, Tensor from, Tensor to)
    {
        var (taken, given) = (from.gather(1, picked), to.gather(1, picked));
        return (taken, given);
    }
}

/// <summary>A sparse edit of activations; its tensors belong to the caller.</summary>
/// <param name="Edited">Edited activations (B, D).</param>
/// <param name="Features">Features in the order they were picked (B, k).</param>
/// <param name="Distances">Distance to the target after each pick (B, k).</param>
/// <param name="CleanCodes">What was taken out at each pick (B, k).</param>
/// <param name="CounterfactualCodes">What was put in (B, k).</param>
public sealed record ControlEdit(Tensor Edited, Tensor Features, Tensor Distances, Tensor CleanCodes, Tensor CounterfactualCodes);

/// <summary>What a sparse edit should come close to.</summary>
public enum ControlObjective
{
    /// <summary>The counterfactual activation.</summary>
    Activation,

    /// <summary>Its reconstruction, starting from the clean one's.</summary>
    Reconstruction,
}
