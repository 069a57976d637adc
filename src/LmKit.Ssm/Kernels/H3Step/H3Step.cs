using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The recurrent form of the H3 layer for one token, with the recurrence worked out once; carries no gradient.</summary>
/// <remarks>The CPU form serves float32: it reads a head's tables once for all rows and writes what the rows carry in place. It equals the
/// reference within 1e-5 of the largest entry.</remarks>
internal sealed partial class H3Step : IDisposable
{
    private readonly string owner; // the mixer, for messages
    private readonly Tensor taps;  // (D, N), ssm_k_D included
    private readonly DiagonalStep diagonal;
    private readonly long headDim;
    private readonly long[] recentShape;   // a row's last keys (D, N)
    private readonly long[] diagonalShape; // a row's diagonal state (hd, hd, H, n, 2)
    private readonly Lock gate = new(); // several states may be stepped at once
    private H3StepTables? tables;

    internal H3Step(string owner, DiscreteDiagonal diagonal, Tensor taps, Tensor skip, long headDim)
    {
        this.owner = owner;
        this.headDim = headDim;
        recentShape = taps.shape;
        diagonalShape = [headDim, headDim, taps.size(0) / headDim, diagonal.LogA.Real.size(-1), 2];
        this.diagonal = new DiagonalStep(diagonal, skip);
        this.taps = taps.detach().clone().DetachFromDisposeScope();
    }

    /// <summary>Mixes one token per row; tensors live in the caller's scope.</summary>
    /// <param name="inputs">q, k and v, each (B, 1, D).</param>
    /// <param name="carry">What the rows begin with: the last keys (B, D, N) and the diagonal state (B, hd, hd, H, n, 2). They are
    /// read only.</param>
    /// <param name="own">Gives the carry in contiguous memory that nothing else reads, to be written in place; asked only where the CPU
    /// form serves.</param>
    /// <returns>Outputs (B, 1, D) and what the rows end with.</returns>
    /// <exception cref="ArgumentException">The carry is that of another mixer's rows.</exception>
    internal (Tensor Output, Tensor[] Next) Mix(Tensor[] inputs, Tensor[] carry, Func<Tensor[], Tensor[]> own)
    {
        var rows = inputs[0].size(0);
        Check("last keys", carry[0], [rows, .. recentShape]);
        Check("diagonal state", carry[1], [rows, .. diagonalShape]);
        if (!IsServed(inputs, carry))
            return Reference(inputs, carry);
        var owned = own(carry);
        return (Cpu(inputs, owned), owned);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        taps.Dispose();
        diagonal.Dispose();
        tables?.Dispose();
    }

    private bool IsServed(Tensor[] inputs, Tensor[] carry)
    {
        if (KernelSelection.Current != KernelChoice.Cpu || taps.dtype != ScalarType.Float32 || taps.device_type != DeviceType.CPU)
            return false;
        foreach (var input in inputs)
        {
            if (input.dtype != ScalarType.Float32 || input.device_type != DeviceType.CPU)
                return false;
        }
        foreach (var part in carry)
        {
            if (part.dtype != ScalarType.Float32 || part.device_type != DeviceType.CPU)
                return false;
        }
        return true;
    }

    private void Check(string name, Tensor part, long[] wanted)
    {
        var given = part.shape;
        if (!given.AsSpan().SequenceEqual(wanted))
        {
            throw new ArgumentException(
                $"{owner} carries {name} of ({string.Join(", ", wanted)}); this state holds ({string.Join(", ", given)}). Use a state of this mixer's own {nameof(IMixer.NewState)}.",
                nameof(part));
        }
    }
}
