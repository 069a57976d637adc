using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public class RotaryLawTests : PositionEncodingConformance
{
    protected override PositionEncoding Create() => new RotaryEmbedding(HeadDim);
}

public class PartialInterleavedRotaryLawTests : PositionEncodingConformance
{
    protected override PositionEncoding Create() => new RotaryEmbedding(4, 500, isInterleaved: true);
}

public class AlibiLawTests : PositionEncodingConformance
{
    protected override PositionEncoding Create() => new AlibiEncoding(HeadCount);
}

public class YarnLawTests : PositionEncodingConformance
{
    protected override PositionEncoding Create() => new RotaryEmbedding(ScaledPositions.Yarn.Frequencies(HeadDim, 10_000, 1), false);
}

public class DynamicLawTests : PositionEncodingConformance
{
    protected override PositionEncoding Create() => new LengthScaledRotary(ScaledPositions.Dynamic(12), HeadDim, 10_000, false);
}

public class LongRopeLawTests : PositionEncodingConformance
{
    protected override PositionEncoding Create() => new LengthScaledRotary(ScaledPositions.Long(12), HeadDim, 10_000, true);
}

public class PerTokenDynamicLawTests : PositionEncodingConformance
{
    protected override PositionEncoding Create() => new RotaryEmbedding(ScaledPositions.PerToken(12).Frequencies(HeadDim, 10_000, 1), true);
}

public class AttentionWithPerTokenDynamicTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, HeadDim = 8 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary(rotary => rotary.Scaling = ScaledPositions.PerToken(3));
}

public class AttentionWithYarnTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, HeadDim = 8 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary(rotary => rotary.Scaling = ScaledPositions.Yarn);
}

public class AttentionWithDynamicPositionsTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, HeadDim = 8 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary(rotary => rotary.Scaling = ScaledPositions.Dynamic(4096));
}

public class AttentionWithLongRopeTests : AttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, HeadDim = 8 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary(rotary => (rotary.IsInterleaved, rotary.Scaling) = (true, ScaledPositions.Long(4096)));
}

public class DynamicBeyondTrainedLengthTests : LengthDependentConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override long TrainedLength => 6;

    protected override bool MayGrow => false;

    protected override IMixer Create() => ScaledPositions.Attention(builder => builder.AddRotary(rotary => rotary.Scaling = ScaledPositions.Dynamic(TrainedLength)));

    // base (F N/O - (F-1))^(R/(R-2)) with F = 3, R = 8.
    protected override IMixer CreateForLength(long length) => ScaledPositions.Attention(builder => builder.AddRotary(rotary =>
        rotary.Base = 10_000 * Math.Pow(length <= TrainedLength ? 1 : (3.0 * length / TrainedLength) - 2, 8.0 / 6)));
}

public class LongRopeBeyondTrainedLengthTests : LengthDependentConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override long TrainedLength => 6;

    protected override bool MayGrow => true;

    protected override IMixer Create() => ScaledPositions.Attention(builder => builder.AddRotary(rotary => rotary.Scaling = ScaledPositions.Long(TrainedLength)));

    protected override IMixer CreateForLength(long length)
    {
        double[] divisors = length <= TrainedLength ? [1, 1.1, 1.3, 2] : [1, 2, 5, 11];
        var turns = new RotaryFrequencies([.. divisors.Select((divisor, t) => Math.Pow(10, -t) / divisor)], 1.25);
        return ScaledPositions.Attention(builder => builder.Add(Slots.Positions.Define("fixed", _ => new RotaryEmbedding(turns, false))));
    }
}

/// <summary>Scalings for heads 8 wide, and attention with them.</summary>
internal static class ScaledPositions
{
    internal static YarnRotaryScaling Yarn => new() { Factor = 4, OriginalLength = 64 };

    internal static DynamicRotaryScaling Dynamic(long length) => new() { Factor = 3, OriginalLength = length };

    internal static DynamicRotaryScaling PerToken(long length) => new() { Factor = 3, OriginalLength = length, IsPerToken = true };

    internal static LongRotaryScaling Long(long length) => new() { AttentionFactor = 1.25, OriginalLength = length, ShortFactor = [1, 1.1, 1.3, 2], LongFactor = [1, 2, 5, 11] };

    internal static IMixer Attention(Func<LanguageModelBuilder, LanguageModelBuilder> positions) =>
        ToyModel.Component(positions(ToyModel.Builder()), layer => new Attention(new AttentionOptions { HeadCount = 2, HeadDim = 8 }, layer));
}

/// <summary>What lengths mean to a model and to who attends by hand.</summary>
[NoTensorLeak]
public sealed class LengthScaledRotaryTests
{
    [Fact]
    public void Attention_by_hand_refuses_positions_of_no_length()
    {
        using var scope = NewDisposeScope();
        var family = new LengthScaledRotary(ScaledPositions.Dynamic(4), 8, 10_000, false);
        var positions = arange(6, dtype: ScalarType.Int64).unsqueeze(0);
        var x = ones(1, 2, 6, 8);
        var input = new AttentionInput(x, x, x, positions, positions, null, null, family);
        var error = Assert.Throws<ArgumentException>(() => DenseAttention.Attend(input, new CausalMask()));

        Assert.Equal("Encoding", error.ParamName);
        Assert.Contains("DynamicRotaryScaling", error.Message, StringComparison.Ordinal);
        Assert.Contains("ForLength", error.Message, StringComparison.Ordinal);
        foreach (var call in new Action[] { () => family.EncodeQueries(x, positions), () => family.EncodeKeys(x, positions), () => family.DecodeKeys(x, positions) })
            Assert.Contains("ForLength", Assert.Throws<InvalidOperationException>(call).Message, StringComparison.Ordinal);
        _ = DenseAttention.Attend(input with { Encoding = SequenceLayout.Read(1, 6, null).EncodingOf(family) }, new CausalMask());
    }

    [Fact]
    public void Steps_of_a_scaled_model_are_served_by_the_kernel_and_equal_the_plain_form()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var scaling in new RotaryScaling[] { ScaledPositions.Yarn, ScaledPositions.Dynamic(64), ScaledPositions.PerToken(4), ScaledPositions.Long(64) })
        {
            foreach (var mask in new IAttentionMask[] { new CausalMask(), new SlidingWindowMask(new() { Window = 5 }) })
            {
                using var model = ToyModel.Builder(dtype: ScalarType.Float32).AddAttention(attention => (attention.HeadCount, attention.HeadDim) = (2, 8))
                    .AddRotary(rotary => rotary.Scaling = scaling).Add(Slots.Mask.Define("given", _ => mask)).Build();
                var tokens = tensor(Enumerable.Range(0, 30).Select(index => (long)(index * 7 % 11)).ToArray(), [1, 30]);
                var whole = model.call(tokens, null);
                var before = RotaryTable.RowsRead;
                using var state = model.NewState(1);
                var steps = cat([.. tokens.split(1, 1).Select(token => model.call(token, new SequenceContext(state)))], 1);

                Close.Check($"{scaling}", whole, steps, relativeToLargest: 2e-5);
                Assert.InRange(RotaryTable.RowsRead - before, 60, 60); // once for a token in each of two layers: the kernel's way
            }
        }
    }

    [Fact]
    public void All_lengths_of_one_list_have_one_encoding_and_dynamic_ones_one_each()
    {
        var family = new LengthScaledRotary(ScaledPositions.Long(4), 8, 10_000, false);
        var longer = family.ForLength(5);
        Assert.Same(family.ForLength(1), family.ForLength(4));
        Assert.Same(longer, family.ForLength(1_000_000));
        var dynamic = new LengthScaledRotary(ScaledPositions.Dynamic(4), 8, 10_000, false);
        Assert.Same(dynamic.ForLength(9), dynamic.ForLength(9));
        Assert.NotSame(dynamic.ForLength(9), dynamic.ForLength(10));
    }
}
