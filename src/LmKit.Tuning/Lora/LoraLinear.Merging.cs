using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

// The adapter and its base as one weight.
public sealed partial class LoraLinear
{
    /// <summary>Lets calls compute with one dense weight, so that they cost what a dense base costs; nothing that can be read or saved changes.</summary>
    /// <param name="mode">What to do on a base that is not dense.</param>
    /// <returns>False when it was merged already, or stays beside a structured base.</returns>
    /// <exception cref="InvalidOperationException">The sum is not finite; nothing was changed.</exception>
    public bool Merge(MergeMode mode = MergeMode.KeepAdapter)
    {
        if (IsMerged || (Chain.Root is not DenseLinear && mode == MergeMode.KeepAdapter))
            return false;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (weight, bias) = Sum();
        if (!weight.isfinite().all().ToBoolean() || bias?.isfinite().all().ToBoolean() == false)
            throw new InvalidOperationException($"The merged weight of {path} is not finite; nothing was changed. Check the adapter's values and scale.");
        IsMerged = true;
        return true;
    }

    /// <summary>Lets calls compute base and update apart again, bit for bit as before.</summary>
    public void Unmerge()
    {
        IsMerged = false;
        map.Forget();
    }

    /// <summary>Drops the merged weight; the next call makes it anew.</summary>
    public void Forget() => map.Forget();

    string? ITrainingCheck.WhyItCannotTrain() => IsMerged ? "it is merged into its base. Unmerge first (LoraAdapters.Unmerge), and merge again after training." : null;

    /// <summary>Sets the lengths of weight decomposition to those of the base with the update, as if it had not been trained.</summary>
    public void ResetMagnitude()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        magnitude?.copy_(RowNorms(BaseWeight + Delta()));
    }

    /// <inheritdoc/>
    public Tensor ToDense()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        return Sum().Weight.MoveToOuterDisposeScope();
    }

    /// <summary>The map as it acts now, in the base's dtype: W + s B A or (m/n)(W + s B A), and the bias with the adapters' own, null without any.</summary>
    internal (Tensor Weight, Tensor? Bias) Sum()
    {
        var dense = Chain.Root.ToDense();
        var (weight, bias) = Wide(dense);
        return (weight.to(dense.dtype), bias?.to(dense.dtype));
    }

    /// <summary>Whether the lengths of weight decomposition are those that an untrained adapter has on this base.</summary>
    internal bool HasBaseLengths()
    {
        if (magnitude is null)
            return false;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        return B.count_nonzero().item<long>() == 0 || magnitude.allclose(RowNorms(BaseWeight + Delta()).to(magnitude.dtype), rtol: 1e-6);
    }

    /// <summary>The same in evaluation mode, and whether a linear of the base's kind computes exactly this with it as its own weight.</summary>
    internal (Tensor Weight, Tensor? Bias, bool KeepsKind) SumForEvaluation()
    {
        var root = (nn.Module)Chain.Root;
        var wasTraining = root.training;
        root.eval();
        try
        {
            var (weight, bias) = Sum();
            return (weight, bias, root is DenseLinear || (root is PackedLinear && root.get_parameter("weight")!.Equals(Chain.Root.ToDense())));
        }
        finally
        {
            root.train(wasTraining);
        }
    }

    // Sums are formed in at least float32, whatever the base is kept in.
    private (Tensor Weight, Tensor? Bias) Wide(Tensor root)
    {
        var (weight, bias) = inner is LoraLinear within ? within.Wide(root) : (AtLeastSingle(root), RootBias());
        if (!isEnabled)
            return (weight, bias);
        var sum = weight + Delta();
        weight = magnitude is null ? sum : (magnitude / RowNorms(sum)).unsqueeze(1) * sum;
        if (shift is not null)
            bias = bias is null ? shift * Scale : bias + shift * Scale;
        return (weight, bias);
    }

    // All that the sum is made from.
    private List<Tensor> Sources(List<Tensor> sources)
    {
        if (inner is LoraLinear within)
        {
            _ = within.Sources(sources);
        }
        else if (inner is DenseLinear)
        {
            sources.Add(BaseWeight);
            if (Bias() is { } bias)
                sources.Add(bias);
        }
        else
        {
            sources.AddRange(((nn.Module)inner).parameters());
        }
        sources.AddRange((ReadOnlySpan<Tensor>)[A, B]);
        if (shift is not null)
            sources.Add(shift);
        if (magnitude is not null)
            sources.Add(magnitude);
        return sources;
    }

    private Tensor? RootBias() => Chain.Root is DenseLinear
        ? Bias() is { } bias ? AtLeastSingle(bias) : null
        : AtLeastSingle(Chain.Root.call(zeros(InFeatures, dtype: ((nn.Module)Chain.Root).parameters().FirstOrDefault()?.dtype ?? A.dtype, device: A.device)));

    private Tensor Delta() => mm(AtLeastSingle(B), AtLeastSingle(A)).mul_(Scale); // (O, I)
}
