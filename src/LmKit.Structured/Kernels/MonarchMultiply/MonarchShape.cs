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

    /// <summary>The first factor alone: its results in the order that L reads.</summary>
    internal BlockStage First => new(Rows, InFeatures, Middle, K, Q, P, L);

    /// <summary>The second factor alone.</summary>
    internal BlockStage Second => new(Rows, Middle, OutFeatures, L, S, R, S);

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

/// <summary>A block-diagonal product whose results are permuted: number i of them, counted block by block, goes to place (i mod n) m / n + i / n, with m the
/// number of all results.</summary>
/// <param name="Rows">Vectors B.</param>
/// <param name="InFeatures">Numbers of a vector, at most those that the blocks take.</param>
/// <param name="OutFeatures">Numbers of a result, at most those that the blocks give.</param>
/// <param name="Blocks">Blocks.</param>
/// <param name="Outs">Outputs of a block.</param>
/// <param name="Ins">Inputs of a block.</param>
/// <param name="Period">The n of the permutation.</param>
internal readonly record struct BlockStage(int Rows, int InFeatures, int OutFeatures, int Blocks, int Outs, int Ins, int Period)
{
    /// <summary>Numbers that the blocks take.</summary>
    internal int Inputs => Blocks * Ins;

    /// <summary>Numbers that the blocks give.</summary>
    internal int Outputs => Blocks * Outs;

    /// <summary>Multiplications of one vector.</summary>
    internal long Products => (long)Outputs * Ins;

    /// <summary>Where result i goes, times a factor, for every i.</summary>
    internal long[] Places(int factor)
    {
        var places = new long[Outputs];
        for (int i = 0, turn = 0, place = 0; i < places.Length; i++, place += Outputs / Period)
        {
            if (i > 0 && i % Period == 0)
                place = ++turn;
            places[i] = (long)place * factor;
        }
        return places;
    }

    /// <summary>Which result stands at place j, times a factor, for every j.</summary>
    internal long[] Sources(int factor)
    {
        var sources = new long[Outputs];
        var places = Places(1);
        for (var i = 0; i < sources.Length; i++)
            sources[places[i]] = (long)i * factor;
        return sources;
    }
}
