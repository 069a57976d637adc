using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The selective scan of Mamba-1 (Gu and Dao 2023, Algorithm 2): a state space whose B, C and time step depend on the input.</summary>
/// <remarks>h_t = e^(dt_t a) h_(t-1) + dt_t u_t B_t and y_t = C_t h_t + D u_t, per inner channel; token by token, so that only one
/// state per row is held at a time while no gradient is recorded.</remarks>
public static class SelectiveScan
{
    /// <summary>Scans sequences from a state.</summary>
    /// <param name="u">(B, E, L).</param>
    /// <param name="timeStep">dt (B, E, L), before the bias and softplus.</param>
    /// <param name="A">(E, N), negative.</param>
    /// <param name="B">(B, N, L).</param>
    /// <param name="C">(B, N, L).</param>
    /// <param name="skip">D (E), or null.</param>
    /// <param name="gate">z (B, E, L), whose SiLU multiplies the result; or null.</param>
    /// <param name="timeStepBias">(E), or null.</param>
    /// <param name="state">h before (B, E, N), or null for zero.</param>
    /// <param name="lengths">How many columns of each row count for the state; null for all.</param>
    /// <returns>y (B, E, L) and the state after it (B, E, N), in the caller's dispose scope.</returns>
    public static (Tensor Output, Tensor State) Run(
        Tensor u,
        Tensor timeStep,
        Tensor A,
        Tensor B,
        Tensor C,
        Tensor? skip = null,
        Tensor? gate = null,
        Tensor? timeStepBias = null,
        Tensor? state = null,
        IReadOnlyList<long>? lengths = null)
    {
        Check(u, timeStep, A, B, C);
        using var scope = NewDisposeScope();
        var dt = nn.functional.softplus(timeStepBias is null ? timeStep : timeStep + timeStepBias.unsqueeze(-1));
        // A step of zero length neither decays nor adds: the state stays where a row ends.
        dt = TrimmedRows.Clear(dt.transpose(1, 2), lengths); // (B, L, E)
        var h = state ?? zeros([u.size(0), u.size(1), A.size(1)], u.dtype, u.device);
        var inputs = dt * u.transpose(1, 2);
        var outputs = new List<Tensor>();
        for (var t = 0L; t < u.size(2); t++)
        {
            using var step = NewDisposeScope();
            var next = (dt.select(1, t).unsqueeze(-1) * A).exp() * h + inputs.select(1, t).unsqueeze(-1) * B.select(2, t).unsqueeze(1); // (B, E, N)
            outputs.Add((next * C.select(2, t).unsqueeze(1)).sum(-1).MoveToOuterDisposeScope());                                       // (B, E)
            if (t > 0)
                h.Dispose();
            h = next.MoveToOuterDisposeScope();
        }
        var y = outputs.Count == 0 ? zeros_like(u) : stack(outputs, 2);
        if (skip is not null)
            y = y + u * skip.unsqueeze(-1);
        if (gate is not null)
            y = y * nn.functional.silu(gate);
        return (y.MoveToOuterDisposeScope(), (state is not null && u.size(2) == 0 ? h.clone() : h).MoveToOuterDisposeScope());
    }

    private static void Check(Tensor u, Tensor timeStep, Tensor A, Tensor B, Tensor C)
    {
        ArgumentNullException.ThrowIfNull(u);
        ArgumentNullException.ThrowIfNull(timeStep);
        ArgumentNullException.ThrowIfNull(A);
        ArgumentNullException.ThrowIfNull(B);
        ArgumentNullException.ThrowIfNull(C);
        if (u.dim() != 3 || !timeStep.shape.SequenceEqual(u.shape) || A.dim() != 2 || A.size(0) != u.size(1)
            || !B.shape.SequenceEqual([u.size(0), A.size(1), u.size(2)]) || !C.shape.SequenceEqual(B.shape))
        {
            throw new ArgumentException(
                $"A selective scan takes u and dt (B, E, L), A (E, N), B and C (B, N, L); got ({string.Join(", ", u.shape)}), ({string.Join(", ", timeStep.shape)}), ({string.Join(", ", A.shape)}), ({string.Join(", ", B.shape)}) and ({string.Join(", ", C.shape)}).",
                nameof(u));
        }
    }
}
