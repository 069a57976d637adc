using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>State passing of diagonal recurrences (two Vandermonde products): what a state adds to the outputs of a sequence,
/// y_t += 2 Re sum over n of c e^(lambda (t + 1)) x, and the state after it, e^(lambda m) x + sum over j of e^(lambda (m - 1 - j)) b u_j.</summary>
/// <remarks>
/// <para>The CPU form serves float32 while no gradient is recorded: blocks of 32 tokens through one table of powers, in AVX-512, AVX2 or
/// four portable lanes, one head per thread, states from span to span of 1,024 tokens. Everything else takes the reference.</para>
/// <para>Forms agree within 2e-5 of the largest entry.</para>
/// </remarks>
internal static partial class Vandermonde
{
    /// <summary>Whether the CPU form will run for a recurrence now.</summary>
    internal static bool IsServed(ScalarType dtype, Device device) =>
        KernelSelection.Current == KernelChoice.Cpu && dtype == ScalarType.Float32 && device.type == DeviceType.CPU && !is_grad_enabled();

    /// <summary>Adds the response and advances the state, by the CPU form.</summary>
    /// <param name="tables">What <see cref="VandermondeTables"/> made.</param>
    /// <param name="u">(B, H, P, L): P signals share a head.</param>
    /// <param name="state">(B P, H, n, 2).</param>
    /// <param name="sums">(B, H, P, L), contiguous and the caller's own: the response is added to it in place.</param>
    /// <param name="lengths">How many columns of each of the B rows count for the state; null for all.</param>
    /// <returns>The state after them, in the caller's scope.</returns>
    /// <exception cref="ArgumentException">The state does not fit the inputs or the tables.</exception>
    internal static Tensor Pass(Tensor tables, Tensor u, Tensor state, Tensor sums, IReadOnlyList<long>? lengths)
    {
        if (state.dim() != 4 || tables.size(1) != new VandermondeLayout(state.size(2)).Size || tables.size(0) != u.size(1)
            || !state.shape.SequenceEqual([u.size(0) * u.size(2), u.size(1), state.size(2), 2]) || !sums.shape.SequenceEqual(u.shape))
        {
            throw new ArgumentException(
                $"A carried state is (B P, H, n, 2) for inputs (B, H, P, L) and the recurrence's n; got ({string.Join(", ", state.shape)}) for ({string.Join(", ", u.shape)}) and {tables.size(0)} heads.",
                nameof(state));
        }
        return PassOnCpu(tables, u, state, sums, lengths);
    }

    /// <summary>The state that sequences x = gate . u end with when they begin with none, by the CPU form.</summary>
    /// <param name="tables">What <see cref="VandermondeTables"/> made.</param>
    /// <param name="u">(B, H, 1, L); (B, L, H) seen so is read as it lies.</param>
    /// <param name="gate">Like u.</param>
    /// <param name="stateCount">n.</param>
    /// <param name="lengths">How many columns of each row count; null for all.</param>
    /// <returns>(B, H, n, 2), in the caller's scope.</returns>
    internal static Tensor FromZero(Tensor tables, Tensor u, Tensor gate, long stateCount, IReadOnlyList<long>? lengths) =>
        FromZeroOnCpu(tables, u, gate, stateCount, lengths);

    /// <summary>The same by library operations, differentiable.</summary>
    /// <param name="diagonal">The recurrence.</param>
    /// <param name="powers">Its powers up to the length.</param>
    /// <param name="u">(B, H, P, L).</param>
    /// <param name="state">(B P, H, n, 2).</param>
    /// <param name="sums">(B, H, P, L).</param>
    /// <param name="lengths">How many columns of each of the B rows count for the state; null for all.</param>
    /// <param name="tracksState">Whether gradients flow into the state after them.</param>
    /// <returns>The sums with the response, and the state after them, in the caller's scope.</returns>
    internal static (Tensor Output, Tensor State) Pass(
        DiscreteDiagonal diagonal,
        TwoLevelPowers powers,
        Tensor u,
        Tensor state,
        Tensor sums,
        IReadOnlyList<long>? lengths,
        bool tracksState) => Reference(diagonal, powers, u, state, sums, lengths, tracksState);
}
