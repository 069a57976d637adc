using static TorchSharp.torch;

namespace LmKit;

/// <summary>The sizes of two Monarch factors and of what they are applied to.</summary>
/// <param name="Rows">Vectors B.</param>
/// <param name="InFeatures">Numbers of a vector, at most k p.</param>
/// <param name="OutFeatures">Numbers of a result, at most s l.</param>
/// <param name="K">Blocks of R.</param>
/// <param name="Q">Outputs of a block of R.</param>
/// <param name="P">Inputs of a block of R.</param>
/// <param name="L">Blocks of L.</param>
/// <param name="S">Outputs of a block of L.</param>
/// <param name="R">Inputs of a block of L.</param>
internal readonly record struct MonarchShape(int Rows, int InFeatures, int OutFeatures, int K, int Q, int P, int L, int S, int R)
{
    /// <summary>Numbers between the factors, k q = l r.</summary>
    internal int Middle => K * Q;

    /// <summary>Numbers that R takes, k p.</summary>
    internal int Inputs => K * P;

    /// <summary>Numbers that L gives, s l.</summary>
    internal int Outputs => S * L;

    /// <summary>Multiplications of one vector.</summary>
    internal long Products => ((long)Middle * P) + ((long)Middle * S);

    /// <summary>Where the middle number m = c q + a stands for L: number m / l of block m mod l.</summary>
    internal int Place(int m) => (m % L * R) + (m / L);

    internal static MonarchShape Of(Tensor x, Tensor first, Tensor second, long outFeatures) => new(
        checked((int)(x.numel() / x.size(-1))),
        checked((int)x.size(-1)),
        checked((int)outFeatures),
        checked((int)first.size(0)),
        checked((int)first.size(1)),
        checked((int)first.size(2)),
        checked((int)second.size(0)),
        checked((int)second.size(1)),
        checked((int)second.size(2)));
}
