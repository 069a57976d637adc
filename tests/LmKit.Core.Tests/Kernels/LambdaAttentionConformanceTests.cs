using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

/// <summary>Attention through a window over as many tokens as the case's length: the fast form equals tiles in library operations, and these the
/// definition.</summary>
public abstract class LambdaAttentionConformance : KernelConformance
{
    private const int Rows = 2;

    internal abstract MaskReach Reach { get; }

    protected virtual PositionEncoding? Encoding => null;

    protected virtual int Heads => 4;

    protected virtual int KeyHeads => 2;

    protected virtual int HeadDim => 20;

    protected virtual double? SoftCap => null;

    protected virtual bool HasSinks => false;

    /// <summary>Keys held before the queries'.</summary>
    protected virtual long Held => 0;

    /// <summary>Whether rows are padded and hold several documents.</summary>
    protected virtual bool IsRagged => false;

    protected override IReadOnlyList<long> Lengths => IsRagged ? [2, 5, 8, 17, 31, 64, 101, 130] : [0, 1, 2, 5, 8, 17, 31, 64, 67, 101, 130, 200];

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => given =>
    {
        using var reference = KernelSelection.Use(KernelChoice.Reference);
        return Fast(given);
    };

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => given =>
    {
        using var scope = NewDisposeScope();
        return LambdaAttention.Attend(Input(given), Reach).MoveToOuterDisposeScope();
    };

    private protected AttentionInput Input(IReadOnlyList<Tensor> given)
    {
        var length = given[0].size(2);
        var segments = Segments(length + Held);
        var layout = SequenceLayout.Read(Rows, length + Held, segments);
        var positions = layout.PositionTensor(CPU);
        var documents = layout.IsUniform ? null : layout.SegmentTensor(CPU);
        return new AttentionInput(
            given[0],
            given[1],
            given[2],
            positions.narrow(1, Held, length),
            positions,
            documents?.narrow(1, Held, length),
            documents,
            Encoding)
        { SoftCap = SoftCap, Sinks = HasSinks ? given[3] : null };
    }

    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random) =>
    [
        randn([Rows, Heads, length, HeadDim], dtype, generator: random),
        randn([Rows, KeyHeads, length + Held, HeadDim], dtype, generator: random),
        randn([Rows, KeyHeads, length + Held, HeadDim], dtype, generator: random),
        .. HasSinks ? new[] { randn([Heads], dtype, generator: random) } : [],
    ];

    [Fact]
    public void Both_forms_are_what_the_definition_says()
    {
        foreach (var length in Lengths.Where(length => length > 0))
        {
            using var scope = NewDisposeScope();
            using var random = new Generator(5);
            using var frozen = no_grad();
            var inputs = Inputs(length, ScalarType.Float64, random);
            var expected = LambdaDefinition.Attend(Input(inputs), Reach);
            Close.Check($"length {length}, tiles", expected, Fast(inputs), relativeToLargest: 1e-12);
            var single = inputs.Select(input => input.to(ScalarType.Float32)).ToList();
            Close.Check($"length {length}, fast form", expected, Fast(single).to(ScalarType.Float64), relativeToLargest: 2e-5);
        }
    }

    // The first row is padded on the left and in the middle, the second one holds two documents and ends with padding.
    private Tensor? Segments(long length)
    {
        if (!IsRagged || length == 0)
            return null;
        var ids = zeros(Rows, length, dtype: ScalarType.Int64);
        if (length > 3)
            ids[0, TensorIndex.Slice(0, length / 4)] = -1L;
        ids[0, TensorIndex.Slice(length / 2, length / 2 + 1)] = -1L;
        ids[1, TensorIndex.Slice(length / 2)] = 5L;
        ids[1, length - 1] = -1L;
        return ids;
    }
}

public class LambdaAttentionWithoutPositionsTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(24, 3, 24);
}

public class LambdaAttentionOfRotaryTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(24, 5, 24);

    protected override PositionEncoding? Encoding => new RotaryEmbedding(20);

    protected override long Held => 40;
}

public class LambdaAttentionOfPartialRotaryTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(7, 9, 30);

    protected override PositionEncoding? Encoding => new RotaryEmbedding(8, isInterleaved: true);

    protected override double? SoftCap => 0.8;
}

public class LambdaAttentionOfAlibiTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(70, 2, 10);

    protected override PositionEncoding? Encoding => new AlibiEncoding(4);

    protected override bool HasSinks => true;
}

public class LambdaAttentionOfPaddedRowsTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(10, 3, 10);

    protected override PositionEncoding? Encoding => new RotaryEmbedding(20);

    protected override bool IsRagged => true;

    protected override bool HasSinks => true;
}

public class LambdaAttentionClosedTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(13, 4, 17, FarDistance.Closed);

    protected override PositionEncoding? Encoding => new RotaryEmbedding(20);

    protected override int KeyHeads => 4;
}

public class LambdaAttentionClosedWithAlibiTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(13, 4, 17, FarDistance.Closed);

    protected override PositionEncoding? Encoding => new AlibiEncoding(4);

    protected override double? SoftCap => 1.5;
}

public class LambdaAttentionAtTrueDistancesTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(16, 70, 0, FarDistance.True);

    protected override PositionEncoding? Encoding => new RotaryEmbedding(20);

    protected override bool HasSinks => true;
}

public class LambdaAttentionAtTrueDistancesWithAlibiTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(16, 3, 0, FarDistance.True);

    protected override PositionEncoding? Encoding => new AlibiEncoding(4);

    protected override bool IsRagged => true;
}

public class LambdaAttentionOfOneTokenWindowsTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(1, 0, 0);

    protected override int HeadDim => 16;
}

public class LambdaAttentionOfWideHeadsTests : LambdaAttentionConformance
{
    internal override MaskReach Reach => new(128, 128, 128);

    protected override int HeadDim => 80;

    protected override PositionEncoding? Encoding => new RotaryEmbedding(80);
}
