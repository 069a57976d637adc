using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

/// <summary>The Monarch product of as many vectors as the case's length, with a bias and padding.</summary>
public abstract class MonarchMultiplyConformance : KernelConformance
{
    /// <summary>k, q, p of R and l, s of L.</summary>
    protected abstract (long K, long Q, long P, long L, long S) Sizes { get; }

    protected virtual long MissingInputs => 0;

    protected virtual long MissingOutputs => 0;

    protected virtual bool HasBias => true;

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => given =>
    {
        using var reference = KernelSelection.Use(KernelChoice.Reference);
        return Fast(given);
    };

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => given =>
        MonarchMultiply.Linear(given[0], given[1], given[2], HasBias ? given[3] : null, (Sizes.S * Sizes.L) - MissingOutputs);

    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random)
    {
        var (k, q, p, l, s) = Sizes;
        return
        [
            randn([length, (k * p) - MissingInputs], dtype, generator: random),
            randn([k, q, p], dtype, generator: random),
            randn([l, s, k * q / l], dtype, generator: random),
            .. HasBias ? new[] { randn([(s * l) - MissingOutputs], dtype, generator: random) } : [],
        ];
    }
}

public class MonarchMultiplyOfSquareBlocksTests : MonarchMultiplyConformance
{
    protected override (long K, long Q, long P, long L, long S) Sizes => (4, 32, 32, 4, 32);
}

public class MonarchMultiplyOfRootBlocksTests : MonarchMultiplyConformance
{
    protected override (long K, long Q, long P, long L, long S) Sizes => (16, 16, 16, 16, 16);

    protected override bool HasBias => false;
}

public class MonarchMultiplyOfRaggedBlocksTests : MonarchMultiplyConformance
{
    protected override (long K, long Q, long P, long L, long S) Sizes => (3, 10, 7, 5, 9);

    protected override long MissingInputs => 2;

    protected override long MissingOutputs => 4;
}

public class MonarchMultiplyOfTinyBlocksTests : MonarchMultiplyConformance
{
    protected override (long K, long Q, long P, long L, long S) Sizes => (6, 2, 1, 4, 3);
}

public class MonarchMultiplyOfWideBlocksTests : MonarchMultiplyConformance
{
    protected override (long K, long Q, long P, long L, long S) Sizes => (2, 20, 50, 2, 21);

    protected override long MissingInputs => 1;
}
