using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A diagonal recurrence x' = e^lambda x + b u, y = 2 Re(c x'), per head and state: lambda = ln A-bar, b = B-bar, c = C; float64.</summary>
/// <param name="LogA">lambda (H, n).</param>
/// <param name="InputB">b (H, n).</param>
/// <param name="ReadoutC">c (H, n).</param>
/// <param name="Dtype">Dtype in which sequences are computed.</param>
internal sealed record DiscreteDiagonal(ComplexPair LogA, ComplexPair InputB, ComplexPair ReadoutC, ScalarType Dtype)
{
    /// <summary>The same system with b = 1 and c b in the place of c: its states are those of this one over b.</summary>
    internal DiscreteDiagonal WithUnitInput() => this with
    {
        InputB = new ComplexPair(ones_like(LogA.Real), zeros_like(LogA.Real)),
        ReadoutC = ReadoutC.Times(InputB),
    };

    /// <summary>Powers of A-bar for sequences of up to <paramref name="length"/> tokens, in <paramref name="rows"/> rows that carry state.</summary>
    internal TwoLevelPowers Powers(long length, long rows) => new(LogA, length, Math.Max(1, rows), Dtype);

    /// <summary>K_l = 2 Re sum over n of c b e^(lambda l), l = 0 .. length - 1: (H, length).</summary>
    internal Tensor Kernel(TwoLevelPowers powers, long length) => powers.Sum(ReadoutC.Times(InputB).Unsqueeze(0), length).squeeze(0);

    /// <summary>What a state alone contributes to the next outputs, 2 Re sum over n of c e^(lambda (t + 1)) x.</summary>
    /// <param name="powers">Powers up to the length.</param>
    /// <param name="x">(R, H, n, 2).</param>
    /// <param name="length">Outputs wanted.</param>
    /// <returns>(R, H, length).</returns>
    internal Tensor Response(TwoLevelPowers powers, Tensor x, long length) =>
        powers.Sum(ReadoutC.Times(LogA.Exp()).Times(ComplexPair.From(x.to(ScalarType.Float64))), length);

    /// <summary>The state after inputs.</summary>
    /// <param name="powers">Powers up to the length.</param>
    /// <param name="x">The state before them (R, H, n, 2), or null for zero.</param>
    /// <param name="reversed">The inputs (R, H, L), the last one first, zeros behind the first one.</param>
    /// <param name="lengths">How many inputs each row has: (R) or (1) float64.</param>
    /// <returns>(R, H, n, 2).</returns>
    internal Tensor Advance(TwoLevelPowers powers, Tensor? x, Tensor reversed, Tensor lengths)
    {
        var after = powers.Weigh(reversed).Times(InputB);
        if (x is not null)
        {
            var passed = LogA.Scale(lengths.view(-1, 1, 1)).Exp();
            after = after.Plus(ComplexPair.From(x.to(ScalarType.Float64)).Times(passed));
        }
        return after.Join().to(Dtype);
    }
}
