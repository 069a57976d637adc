using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What adapters have merged into one base layer, with the base's own values kept so that they come back bit for bit.</summary>
internal sealed class MergedWeight(ILinear root) : IDisposable
{
    private readonly List<LoraLinear> merged = [];
    private readonly List<Tensor> kept = []; // on the CPU: the base's weight and bias as they were
    private Tensor? dense; // stands in for a structured base
    private Tensor? denseBias;

    internal ILinear Root => root;

    internal bool Contains(LoraLinear adapter) => merged.Contains(adapter);

    /// <summary>The base's output, with what has been merged.</summary>
    internal Tensor Call(Tensor x) => dense is null ? root.call(x) : nn.functional.linear(x, dense, denseBias);

    internal Tensor ToDense() => dense?.clone() ?? root.ToDense();

    internal bool Merge(LoraLinear adapter, MergeMode mode)
    {
        if (Contains(adapter) || (root is not DenseLinear && mode == MergeMode.KeepAdapter))
            return false;
        Apply([.. merged, adapter]);
        merged.Add(adapter);
        return true;
    }

    internal void Unmerge(LoraLinear adapter)
    {
        if (!Contains(adapter))
            return;
        Apply([.. merged.Where(other => other != adapter)]);
        _ = merged.Remove(adapter);
    }

    public void Dispose()
    {
        foreach (var tensor in kept)
            tensor.Dispose();
        kept.Clear();
        Forget();
    }

    private Parameter? Own(string name) => root is DenseLinear ? ((nn.Module)root).get_parameter(name) : null;

    private void Apply(IReadOnlyList<LoraLinear> adapters)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        if (root is DenseLinear)
        {
            var (weight, bias) = (Own("weight")!, Own("bias"));
            if (kept.Count == 0)
            {
                foreach (var parameter in new[] { weight, bias }.OfType<Parameter>())
                    kept.Add(parameter.detach().cpu().clone().DetachFromDisposeScope());
            }
            var (sum, shift) = Sum(kept[0].to(weight.device), bias is null ? null : kept[1].to(weight.device), adapters);
            weight.copy_(sum);
            if (bias is not null)
                bias.copy_(shift!);
        }
        else if (adapters.Count == 0)
        {
            Forget();
        }
        else
        {
            var W = root.ToDense();
            var (sum, shift) = Sum(W, root.call(zeros(root.InFeatures, dtype: W.dtype, device: W.device)), adapters);
            Forget();
            dense = sum.DetachFromDisposeScope();
            denseBias = shift!.DetachFromDisposeScope();
        }
    }

    private static (Tensor Weight, Tensor? Bias) Sum(Tensor weight, Tensor? bias, IReadOnlyList<LoraLinear> adapters)
    {
        foreach (var adapter in adapters)
        {
            weight = adapter.MergedInto(weight);
            if (adapter.Shift() is not { } shift)
                continue;
            if (bias is null)
                throw new InvalidOperationException("An adapter with a bias cannot be merged into a layer without one; train it without lora_bias, or keep it unmerged.");
            bias = bias + shift.to(bias.dtype);
        }
        if (!weight.isfinite().all().ToBoolean() || bias?.isfinite().all().ToBoolean() == false)
            throw new InvalidOperationException("The merged weight is not finite; nothing was changed. Check the adapter's values and scale.");
        return (weight, bias);
    }

    private void Forget()
    {
        dense?.Dispose();
        denseBias?.Dispose();
        (dense, denseBias) = (null, null);
    }
}
