using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The one dense product that a merged adapter computes with.</summary>
/// <remarks>Parameters are never touched: whatever reads them finds the base and the factors. Calls may run side by side.</remarks>
internal sealed class MergedMap : IDisposable
{
    private readonly ParameterCache<MergedWeight> merged = new();

    /// <summary>x W^T + b.</summary>
    /// <param name="x">The input.</param>
    /// <param name="sources">The parameters that the product is made from.</param>
    /// <param name="settings">The version of the settings that it is made with.</param>
    /// <param name="make">Makes weight and bias.</param>
    internal Tensor Apply(Tensor x, ReadOnlySpan<Tensor> sources, long settings, Func<(Tensor Weight, Tensor? Bias)> make)
    {
        using var map = merged.Take(sources, () => new MergedWeight(make(), settings), kept => kept.Settings == settings);
        return nn.functional.linear(x, map.Value.Weight, map.Value.Bias);
    }

    internal void Forget() => merged.Forget();

    public void Dispose() => merged.Dispose();

    private sealed class MergedWeight((Tensor Weight, Tensor? Bias) made, long settings) : IDisposable
    {
        internal Tensor Weight { get; } = made.Weight.DetachFromDisposeScope();

        internal Tensor? Bias { get; } = made.Bias?.DetachFromDisposeScope();

        internal long Settings => settings;

        public void Dispose()
        {
            Weight.Dispose();
            Bias?.Dispose();
        }
    }
}

/// <summary>The adapters around one base layer: what they stand on, and a number that moves with every change of their settings.</summary>
internal sealed class LoraChain
{
    private readonly LoraChain[] within; // of adapters inside the base itself
    private long own;

    internal LoraChain(ILinear root)
    {
        Root = root;
        within = [.. ((nn.Module)root).modules().OfType<LoraLinear>().Select(adapter => adapter.Chain).Distinct()];
    }

    internal ILinear Root { get; }

    internal long Settings => Interlocked.Read(ref own) + (within.Length == 0 ? 0 : within.Sum(chain => chain.Settings));

    internal void Touch() => Interlocked.Increment(ref own);
}
