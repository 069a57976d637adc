using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The recurrent form of the H3 layer for one token, with the recurrence worked out once; carries no gradient.</summary>
/// <remarks>The CPU form serves float32: it reads a head's tables once for all rows and writes what the rows carry in place. It equals the
/// reference within 1e-5 of the largest entry.</remarks>
internal sealed partial class H3Step : IDisposable
{
    private readonly Tensor taps; // (D, N), ssm_k_D included
    private readonly DiagonalStep diagonal;
    private readonly long headDim;
    private H3StepTables? tables;

    internal H3Step(DiscreteDiagonal diagonal, Tensor taps, Tensor skip, long headDim)
    {
        this.headDim = headDim;
        this.diagonal = new DiagonalStep(diagonal, skip);
        this.taps = taps.detach().clone().DetachFromDisposeScope();
    }

    /// <summary>Mixes one token per row; tensors live in the caller's scope.</summary>
    /// <param name="inputs">q, k and v, each (B, 1, D).</param>
    /// <param name="carry">What the rows begin with: the last keys (B, D, N) and the diagonal state (B, hd, hd, H, n, 2). Nothing else
    /// reads their memory: it may be written.</param>
    /// <returns>Outputs (B, 1, D) and what the rows end with, which may be <paramref name="carry"/> itself.</returns>
    internal (Tensor Output, Tensor[] Next) Mix(Tensor[] inputs, Tensor[] carry) =>
        IsServed(inputs, carry) ? (Cpu(inputs, carry), carry) : Reference(inputs, carry);

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
            if (part.dtype != ScalarType.Float32 || part.device_type != DeviceType.CPU || !part.is_contiguous())
                return false;
        }
        return true;
    }
}
