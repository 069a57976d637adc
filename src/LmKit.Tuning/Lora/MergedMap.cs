using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The one dense product that a merged adapter computes with, made by the first call that needs it and anew when something changed.</summary>
/// <remarks>Parameters are never touched: whatever reads them finds the base and the factors. Calls may run side by side.</remarks>
internal sealed class MergedMap : IDisposable
{
    private readonly Lock gate = new();
    private Tensor? weight;
    private Tensor? bias;
    private long version;
    private Parameter? source;

    /// <summary>x W^T + b.</summary>
    /// <param name="x">The input.</param>
    /// <param name="current">The version that the product must be of.</param>
    /// <param name="of">A parameter that it is made from; another object after a move to a device or dtype.</param>
    /// <param name="make">Makes weight and bias.</param>
    internal Tensor Apply(Tensor x, long current, Parameter of, Func<(Tensor Weight, Tensor? Bias)> make)
    {
        using var scope = NewDisposeScope();
        var (W, b) = Take(current, of, make);
        return nn.functional.linear(x, W, b).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        lock (gate)
            Drop();
    }

    // Readers get handles of their own, so that a newer product can free the old one at once.
    private (Tensor Weight, Tensor? Bias) Take(long current, Parameter of, Func<(Tensor Weight, Tensor? Bias)> make)
    {
        lock (gate)
        {
            if (weight is null || version != current || !ReferenceEquals(source, of) || weight.device_type != of.device_type)
                Make(current, of, make);
            return (weight!.alias(), bias?.alias());
        }
    }

    private void Make(long current, Parameter of, Func<(Tensor Weight, Tensor? Bias)> make)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (W, b) = make();
        Drop();
        (weight, bias, version, source) = (W.DetachFromDisposeScope(), b?.DetachFromDisposeScope(), current, of);
    }

    private void Drop()
    {
        weight?.Dispose();
        bias?.Dispose();
        (weight, bias, source) = (null, null, null);
    }
}

/// <summary>The adapters around one base layer: what they stand on, and a number that moves when one of them may have changed.</summary>
internal sealed class LoraChain
{
    private readonly LoraChain[] within; // of adapters inside the base itself
    private long own;

    internal LoraChain(ILinear root)
    {
        Root = root;
        within = [.. ((TorchSharp.torch.nn.Module)root).modules().OfType<LoraLinear>().Select(adapter => adapter.Chain).Distinct()];
    }

    internal ILinear Root { get; }

    internal long Version => Interlocked.Read(ref own) + (within.Length == 0 ? 0 : within.Sum(chain => chain.Version));

    internal void Touch() => Interlocked.Increment(ref own);
}
