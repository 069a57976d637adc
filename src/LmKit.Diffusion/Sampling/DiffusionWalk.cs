using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The state of one run of a diffusion sampler: what it was asked, where its randomness comes from, what it has cost.</summary>
/// <param name="Fixed">Positions (B, L) bool that never change: the prompt's tokens and padding.</param>
/// <param name="Uniforms">Where uniforms come from.</param>
/// <param name="Rows">Uniforms by row, where the run has them.</param>
/// <param name="Ledger">Counts calls.</param>
public sealed record DiffusionWalk(Tensor Fixed, UniformSource Uniforms, RowUniforms? Rows, CallLedger Ledger) : IDisposable
{
    // Numbers of a draw's block: its noise (float64, 16 MiB) is made and read while a processor's caches hold it.
    private const long BlockNumbers = 1 << 21;

    private readonly Dictionary<string, Tensor> kept = [];

    /// <summary>Temperature and top-p of each row.</summary>
    internal RowTruncation Draws { get; init; } = new([(1, 1)]);

    /// <summary>The network with the run's edits; null where it has none.</summary>
    internal IDenoiser? Edited { get; init; }

    /// <summary>The rows of the caller's batch that the run holds; null for all of them.</summary>
    internal IReadOnlyList<int>? BatchRows { get; init; }

    /// <summary>The rows (B) of the caller's batch behind rows of the run, or behind all of its rows; for errors.</summary>
    internal Tensor? InBatch(Tensor? rows = null)
    {
        if (BatchRows is null)
            return rows;
        var all = tensor(BatchRows.Select(row => (long)row).ToArray(), device: Fixed.device);
        return rows is null ? all : all.index_select(0, rows);
    }

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

    /// <summary>One draw (R) int64 for each row of weights (R, V): each row of the batch uses its own numbers, as many as it has positions here,
    /// so that rows do not depend on each other.</summary>
    /// <param name="at">The positions.</param>
    /// <param name="weights">Unnormalised weights (R, V).</param>
    /// <param name="uniforms">A caller's own numbers (R, V) for them, asked for where the run has none by row.</param>
    internal Tensor Draw(MaskedPositions at, Tensor weights, Func<Tensor> uniforms)
    {
        using var scope = NewDisposeScope();
        if (Rows is null)
            return CategoricalDraw.Sample(weights, uniforms()).MoveToOuterDisposeScope();
        var (vocabSize, drawn, start) = (weights.size(1), new List<Tensor>(), 0L);
        var most = Math.Max(1, BlockNumbers / vocabSize);
        for (var row = 0; row < at.Counts.Length; row++)
        {
            for (var left = at.Counts[row]; left > 0; left -= Math.Min(left, most))
            {
                using var block = Rows.Next(row, Math.Min(left, most), vocabSize);
                drawn.Add(CategoricalDraw.Sample(weights.narrow(0, start, block.size(0)), block));
                start += block.size(0);
            }
        }
        return (drawn.Count == 0 ? zeros(0, ScalarType.Int64, weights.device) : cat(drawn, 0)).MoveToOuterDisposeScope();
    }

    /// <summary>The same, where a caller's own numbers come for the whole grid (B, L, V), as in the official code.</summary>
    internal Tensor Draw(MaskedPositions at, Tensor weights, long batch, long length) =>
        Draw(at, weights, () =>
        {
            var uniforms = Uniforms(batch, length, weights.size(1)).flatten(0, 1);
            return uniforms.index_select(0, at.Index.to(uniforms.device));
        });

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in kept.Values)
            tensor.Dispose();
        kept.Clear();
        Fixed.Dispose();
    }
}

/// <summary>The masked positions of a grid: the only ones that a step asks the network about and draws for.</summary>
/// <remarks>Tensors belong to the caller's dispose scope.</remarks>
internal sealed class MaskedPositions
{
    private readonly Tensor tokens;

    private MaskedPositions(Tensor tokens, Tensor isChosen)
    {
        this.tokens = tokens;
        Index = isChosen.reshape(-1).nonzero().squeeze(1);
        Counts = HostValues.Read(isChosen.sum(1));
    }

    /// <summary>Their places (R) in the flattened grid, row after row.</summary>
    internal Tensor Index { get; }

    /// <summary>How many each row has; R in all.</summary>
    internal long[] Counts { get; }

    /// <summary>Whether there are none.</summary>
    internal bool IsEmpty => Index.size(0) == 0;

    /// <summary>All masked positions of tokens (B, L).</summary>
    internal static MaskedPositions Of(Tensor tokens, long maskId) => new(tokens, tokens.eq(maskId));

    /// <summary>Some positions of tokens (B, L), where (B, L) bool says so.</summary>
    internal static MaskedPositions Where(Tensor tokens, Tensor isChosen) => new(tokens, isChosen);

    /// <summary>The grid (B, L) with these values (R) in their places; a new tensor.</summary>
    internal Tensor Fill(Tensor values)
    {
        using var scope = NewDisposeScope();
        return tokens.reshape(-1).index_copy(0, Index, values).view(tokens.shape).MoveToOuterDisposeScope();
    }
}
