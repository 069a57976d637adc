using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The selective scan of Mamba-1 (Gu and Dao 2023, Algorithm 2): a state space whose B, C and time step depend on the input.</summary>
/// <remarks>
/// <para>h_t = e^(dt_t a) h_(t-1) + dt_t u_t B_t and y_t = C_t h_t + D u_t, per inner channel. The CPU form serves float32 with E a
/// multiple of 4, lanes being channels; it never holds the states of all tokens: its backward keeps one state per 64 tokens and works
/// the others out again. Everything else takes the reference, token by token in libtorch operations, which under gradients holds
/// the decay and the state of every token, at least 2 B L E N numbers.</para>
/// <para>Forms agree within 1e-5 of the largest entry. It can be differentiated once.</para>
/// </remarks>
public static partial class SelectiveScan
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
        Check(u, timeStep, A, B, C, skip, gate, timeStepBias, state);
        if (lengths is not null && (lengths.Count != u.size(0) || lengths.Any(columns => columns < 0 || columns > u.size(2))))
            throw new ArgumentException($"lengths has one count of 0 to {u.size(2)} for each of {u.size(0)} rows; got [{string.Join(", ", lengths)}].", nameof(lengths));
        using var scope = NewDisposeScope();
        var (length, stateDim) = (u.size(2), A.size(1));
        var before = (state ?? zeros([u.size(0), u.size(1), stateDim], u.dtype, u.device)).transpose(1, 2); // (B, N, E)
        if (u.numel() == 0)
            return (u.clone().MoveToOuterDisposeScope(), before.transpose(1, 2).clone().MoveToOuterDisposeScope());
        var dt = nn.functional.softplus(timeStepBias is null ? timeStep : timeStep + timeStepBias.unsqueeze(-1));
        // A step of zero length neither decays nor adds: the state stays where a row ends.
        dt = TrimmedRows.Clear(dt.transpose(1, 2), lengths);                                                // (B, L, E)
        var scanned = Recur(dt, dt * u.transpose(1, 2), A.t(), B.transpose(1, 2), C.transpose(1, 2), before);
        var y = scanned.narrow(1, 0, length).transpose(1, 2);
        var after = scanned.narrow(1, length, stateDim).transpose(1, 2).clone();
        if (skip is not null)
            y = y + u * skip.unsqueeze(-1);
        if (gate is not null)
            y = y * nn.functional.silu(gate);
        return (y.MoveToOuterDisposeScope(), after.MoveToOuterDisposeScope());
    }

    // dt and dt u (B, L, E), A (N, E), B and C (B, L, N), h (B, N, E) to C h of each token and, behind them, the last h: (B, L + N, E).
    private static Tensor Recur(Tensor dt, Tensor input, Tensor A, Tensor B, Tensor C, Tensor state)
    {
        var isServed = KernelSelection.Current == KernelChoice.Cpu && dt.device_type == DeviceType.CPU && dt.size(2) % PortableLanes.Count == 0
            && new[] { dt, input, A, B, C, state }.All(tensor => tensor.dtype == ScalarType.Float32);
        return isServed
            ? KernelFunction.Run([dt, input, A, B, C, state], () => RecurOnCpu(dt, input, A, B, C, state), BackwardOnCpu)
            : Reference(dt, input, A, B, C, state);
    }

    private static void Check(Tensor u, Tensor timeStep, Tensor A, Tensor B, Tensor C, Tensor? skip, Tensor? gate, Tensor? timeStepBias, Tensor? state)
    {
        var check = new TensorCheck(nameof(SelectiveScan));
        check.Floating(u, nameof(u), "B E L");
        check.Floating(timeStep, nameof(timeStep), "B E L");
        check.Floating(A, nameof(A), "E N");
        check.Floating(B, nameof(B), "B N L");
        check.Floating(C, nameof(C), "B N L");
        if (skip is not null)
            check.Floating(skip, nameof(skip), "E");
        if (gate is not null)
            check.Floating(gate, nameof(gate), "B E L");
        if (timeStepBias is not null)
            check.Floating(timeStepBias, nameof(timeStepBias), "E");
        if (state is not null)
            check.Floating(state, nameof(state), "B E N");
    }
}
