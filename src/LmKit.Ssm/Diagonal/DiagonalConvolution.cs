using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A diagonal state space run along sequences of one call: convolution, response of the state before, state after.</summary>
/// <remarks>Tensors live in the caller's scope.</remarks>
internal sealed class DiagonalConvolution
{
    private readonly DiscreteDiagonal? diagonal; // what carries state: this and its powers, or the kernel's tables
    private readonly TwoLevelPowers? powers;
    private readonly Tensor? tables;
    private readonly Tensor kernel; // (H, Lk)
    private readonly Tensor? skip;  // (H)

    /// <summary>Prepares sequences of up to <paramref name="length"/> tokens.</summary>
    /// <param name="ssm">The state space.</param>
    /// <param name="skip">D (H), or null.</param>
    /// <param name="length">Longest sequence.</param>
    /// <param name="kernelLength">Where the kernel is cut.</param>
    /// <param name="rows">Rows that carry state; 0 for none.</param>
    internal DiagonalConvolution(DiagonalSsm ssm, Tensor? skip, long length, long kernelLength, long rows)
    {
        kernel = ssm.Kernel(kernelLength, channel: 0);
        this.skip = skip?.to(kernel.dtype);
        if (rows == 0)
            return;
        if (Vandermonde.IsServed(ssm.Dtype, ssm.Device))
        {
            tables = ssm.StateTables();
            return;
        }
        diagonal = ssm.Discretize();
        powers = diagonal.Powers(length, rows);
    }

    /// <summary>Runs rows from their states, or from zero without any.</summary>
    /// <param name="u">(B, H, P, L): P signals share a head.</param>
    /// <param name="state">(B, P, H, n, 2) with any number of axes in the place of P, or null.</param>
    /// <param name="lengths">How many columns of each row count; null for all.</param>
    /// <param name="tracksState">Whether gradients flow through the state.</param>
    /// <returns>(B, H, P, L) and, given a state, the one after.</returns>
    internal (Tensor Output, Tensor? State) Run(Tensor u, Tensor? state, IReadOnlyList<long>? lengths, bool tracksState)
    {
        if (state is null)
            return (FlashConv.Convolve(u, kernel, skip), null);
        u = u.contiguous(); // sums lie as u does, and what follows reads and writes them row by row
        var sums = FlashConv.Convolve(u, kernel, skip).contiguous();
        var rows = state.to(kernel.dtype).reshape(u.size(0) * u.size(2), u.size(1), -1, 2);
        if (tables is not null)
            return (sums, Vandermonde.Pass(tables, u, rows, sums, lengths).view(state.shape));
        var (output, after) = Vandermonde.Pass(diagonal!, powers!, u, rows, sums, lengths, tracksState);
        return (output, after.reshape(state.shape));
    }

    /// <summary>Whether <see cref="Gated"/> serves sequences from a state: from zero, which adds nothing to the outputs.</summary>
    internal bool IsGatedFrom(Tensor? state) => state is null || (tables is not null && state.count_nonzero().item<long>() == 0);

    /// <summary>g_out . (K * x + D x) with x = g_in . u, from zero.</summary>
    /// <param name="u">(B, H, P, L), as the gates are.</param>
    /// <param name="inputGate">g_in.</param>
    /// <param name="outputGate">g_out.</param>
    /// <param name="state">Zeros in the shape of the state, or null where none is carried.</param>
    /// <param name="lengths">How many columns of each row count for the state; null for all.</param>
    /// <returns>(B, H, P, L) and, given a state, the one after.</returns>
    internal (Tensor Output, Tensor? State) Gated(Tensor u, Tensor inputGate, Tensor outputGate, Tensor? state, IReadOnlyList<long>? lengths)
    {
        var output = FlashConv.Convolve(u, kernel, skip, inputGate, outputGate);
        if (state is null)
            return (output, null);
        return (output, Vandermonde.FromZero(tables!, u, inputGate, state.size(-2), lengths).view(state.shape));
    }
}
