using static TorchSharp.torch;

namespace LmKit;

/// <summary>The state of one run of a diffusion sampler: what it was asked, where its randomness comes from, what it has cost.</summary>
/// <param name="Fixed">Positions (B, L) bool that never change: the prompt's tokens and padding.</param>
/// <param name="Uniforms">Where uniforms come from.</param>
/// <param name="Rows">Uniforms by row, where the run has them.</param>
/// <param name="Ledger">Counts calls.</param>
public sealed record DiffusionWalk(Tensor Fixed, UniformSource Uniforms, RowUniforms? Rows, CallLedger Ledger) : IDisposable
{
    private readonly Dictionary<string, Tensor> kept = [];

    /// <summary>A tensor that a sampler carries from step to step, or null.</summary>
    public Tensor? Kept(string name) => kept.GetValueOrDefault(name);

    /// <summary>Carries a tensor on, in place of what had the name; null drops it. Owned by the run from here on.</summary>
    public void Keep(string name, Tensor? value)
    {
        if (kept.Remove(name, out var old))
            old.Dispose();
        if (value is not null)
            kept[name] = value.DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in kept.Values)
            tensor.Dispose();
        kept.Clear();
        Fixed.Dispose();
    }
}
