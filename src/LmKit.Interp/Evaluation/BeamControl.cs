using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Sparse control that keeps several sets of swaps alive instead of the best one only.</summary>
public static class BeamControl
{
    /// <summary>Looks for the few swaps that bring an activation nearest to its counterfactual.</summary>
    /// <remarks>Each step extends every kept set by every feature and keeps the best different sets; one set kept is the greedy search.
    /// Features that change nothing count as one extension, which leaves the set as it is. Memory is O(B width (F + D + width^3)).</remarks>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="clean">Clean activations with their attributes.</param>
    /// <param name="counterfactual">Counterfactual activations with theirs.</param>
    /// <param name="count">Swaps k.</param>
    /// <param name="width">Sets kept.</param>
    /// <returns>The best set of each row, features in the order in which they were added; the caller disposes its tensors.</returns>
    public static ControlEdit Search(IDictionary dictionary, ActivationBatch clean, ActivationBatch counterfactual, int count, int width)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(counterfactual);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        SparseControl.CheckPair(clean, counterfactual);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (from, to) = (dictionary.Encode(clean), dictionary.Encode(counterfactual));
        var (batch, features) = (from.size(0), from.size(1));
        var atoms = dictionary.Atoms;
        var squares = atoms.square().sum(1); // (F)
        var swap = RowScaling.InRawUnits(to - from, dictionary, clean.Values); // (B, F)
        var start = counterfactual.Values - clean.Values;
        var names = Names(features, from.device);
        var residual = start.unsqueeze(1); // (B, W, D)
        var free = swap.unsqueeze(1); // (B, W, F), 0 where used
        var keys = zeros([batch, 1], ScalarType.Int64, from.device); // names of a set's features, added up
        var picks = zeros([batch, 1, 0], ScalarType.Int64, from.device);
        var distances = zeros([batch, 1, 0], from.dtype, from.device);
        for (var step = 0; step < count; step++)
        {
            var gain = free.square() * squares - free * nn.functional.linear(residual, atoms) * 2;
            var reached = residual.square().sum(2, keepdim: true) + gain; // (B, W, F)
            var idle = free.eq(0);
            var again = idle.logical_and(idle.to(ScalarType.Int64).cumsum(2).gt(1)); // all but a set's first idle feature
            reached = reached.masked_fill(again, double.PositiveInfinity);
            var every = (keys.unsqueeze(2) + names * idle.logical_not()).reshape(batch, -1);
            var best = Different(reached.reshape(batch, -1), every, width);
            var (parent, feature) = (best.div(features, RoundingMode.floor), best.remainder(features));
            Tensor Rows(Tensor sets) => sets.gather(1, parent.unsqueeze(2).expand(-1, -1, sets.size(2)));
            free = Rows(free);
            var taken = free.gather(2, feature.unsqueeze(2)); // (B, W, 1)
            residual = Rows(residual) - taken * atoms.index_select(0, feature.reshape(-1)).reshape(batch, -1, atoms.size(1));
            free = free.scatter(2, feature.unsqueeze(2), zeros_like(taken));
            keys = every.gather(1, best);
            picks = cat([Rows(picks), feature.unsqueeze(2)], 2);
            distances = cat([Rows(distances), residual.norm(2).unsqueeze(2)], 2);
        }
        // The best set stands first.
        var (chosen, path, left) = (picks.select(1, 0).contiguous(), distances.select(1, 0).contiguous(), residual.select(1, 0));
        return new(
            (clean.Values + start - left).MoveToOuterDisposeScope(),
            chosen.MoveToOuterDisposeScope(),
            path.MoveToOuterDisposeScope(),
            from.gather(1, chosen).MoveToOuterDisposeScope(),
            to.gather(1, chosen).MoveToOuterDisposeScope());
    }

    // A set is reached at most once from each kept set: that many times the width holds enough different ones.
    private static Tensor Different(Tensor reached, Tensor keys, int width)
    {
        var (_, order) = reached.sort(1, descending: false, stable: true);
        order = order.narrow(1, 0, Math.Min((long)width * width, order.size(1)));
        var own = keys.gather(1, order);
        var earlier = own.unsqueeze(2).eq(own.unsqueeze(1)).tril(-1).any(2); // (B, candidates)
        var (_, places) = earlier.to(ScalarType.Int64).sort(1, descending: false, stable: true);
        return order.gather(1, places.narrow(1, 0, Math.Min(width, places.size(1))));
    }

    // Fixed 55-bit numbers whose sums tell sets apart.
    private static Tensor Names(long count, Device device)
    {
        using var random = new Generator(1);
        return randint(1, 1L << 55, [count], ScalarType.Int64, generator: random).to(device);
    }
}
