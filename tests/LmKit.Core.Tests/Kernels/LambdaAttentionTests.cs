using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

/// <summary>What attention through a window promises beside its two forms' agreement: bits, far positions, chunks, gradients, memory.</summary>
[NoTensorLeak]
[Trait("Category", "Kernel")]
public sealed class LambdaAttentionTests
{
    private const long Heads = 4;
    private const long KeyHeads = 2;
    private const long Width = 20;

    public static TheoryData<string, int> Forms => new()
    {
        { "none", (int)FarDistance.Ceiling },
        { "rotary", (int)FarDistance.Ceiling },
        { "rotary", (int)FarDistance.Closed },
        { "rotary", (int)FarDistance.True },
        { "interleaved", (int)FarDistance.Ceiling },
        { "alibi", (int)FarDistance.Ceiling },
        { "alibi", (int)FarDistance.Closed },
        { "alibi", (int)FarDistance.True },
    };

    // Around the window and twice it, with fewer, as many and more starting tokens than the window holds.
    [Theory]
    [MemberData(nameof(Forms))]
    public void Lengths_around_the_window_are_what_the_definition_says(string positions, int far)
    {
        const long window = 12;
        foreach (var starts in new[] { 0L, 2, window, 17 })
        {
            var reach = new MaskReach(window, starts, window + 3, (FarDistance)far);
            foreach (var length in new[] { 1, window - 1, window, window + 1, (2 * window) - 1, 2 * window, (2 * window) + 1, (3 * window) + 5 })
            {
                using var scope = NewDisposeScope();
                var input = Input(length, ScalarType.Float64, Encoding(positions));
                var expected = LambdaDefinition.Attend(input, reach);
                Close.Check($"length {length}, starts {starts}, tiles", expected, LambdaAttention.Attend(input, reach), relativeToLargest: 1e-12);
                Close.Check($"length {length}, starts {starts}, kernel", expected, LambdaAttention.Attend(To(input, ScalarType.Float32), reach).to(ScalarType.Float64), relativeToLargest: 2e-5);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Chunks_of_any_size_at_any_fill_give_the_whole(string positions, int far)
    {
        const long window = 6;
        const long length = 40;
        var reach = new MaskReach(window, 3, window, (FarDistance)far);
        foreach (var (dtype, allowed) in new[] { (ScalarType.Float64, 1e-12), (ScalarType.Float32, 2e-5) })
        {
            using var scope = NewDisposeScope();
            var input = To(Input(length, ScalarType.Float64, Encoding(positions), hasSinks: true), dtype);
            var whole = LambdaAttention.Attend(input, reach);
            foreach (var chunk in new[] { 1, 2, 3, 7, window, window + 1, (2 * window) + 1 })
            {
                for (var fill = 0L; fill + chunk <= length; fill++)
                {
                    using var inner = NewDisposeScope();
                    // What a cache of this mask holds then: the starting keys and those that the chunk's first query sees.
                    var kept = arange(fill + chunk, dtype: ScalarType.Int64);
                    kept = kept.masked_select(kept.lt(3).logical_or(kept.gt(fill - window)));
                    var part = input with
                    {
                        Queries = input.Queries.narrow(2, fill, chunk),
                        QueryPositions = input.QueryPositions.narrow(1, fill, chunk),
                        Keys = input.Keys.index_select(2, kept),
                        Values = input.Values.index_select(2, kept),
                        KeyPositions = input.KeyPositions.index_select(1, kept),
                    };
                    Close.Check($"{dtype}, {chunk} after {fill}", whole.narrow(2, fill, chunk), LambdaAttention.Attend(part, reach), relativeToLargest: allowed);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Gradients_of_the_tiles_agree_with_central_differences(string positions, int far)
    {
        const long window = 45;
        using var scope = NewDisposeScope();
        var input = Input((3 * window) + 5, ScalarType.Float64, Encoding(positions), hasSinks: true) with { SoftCap = 1.5 };
        foreach (var leaf in new[] { input.Queries, input.Keys, input.Values, input.Sinks! })
            _ = leaf.requires_grad_();

        GradientCheck.Check(
            () => LambdaAttention.Attend(input, new MaskReach(window, 2, window - 4, (FarDistance)far)),
            [("q", input.Queries), ("k", input.Keys), ("v", input.Values), ("sinks", input.Sinks!)]);
    }

    // Relative encodings know distances alone, so a text without its far starts may stand anywhere.
    [Theory]
    [InlineData("rotary")]
    [InlineData("interleaved")]
    [InlineData("alibi")]
    public void A_text_far_behind_the_origin_is_attended_as_at_it(string positions)
    {
        const long offset = 1L << 27;
        foreach (var (dtype, allowed) in new[] { (ScalarType.Float64, 1e-7), (ScalarType.Float32, 2e-5) })
        {
            using var scope = NewDisposeScope();
            var input = To(Input(100, ScalarType.Float64, Encoding(positions)), dtype);
            var moved = input with { QueryPositions = input.QueryPositions + offset, KeyPositions = input.KeyPositions + offset };
            foreach (var far in new[] { FarDistance.Ceiling, FarDistance.True })
                Close.Check($"{dtype}, {far}", LambdaAttention.Attend(input, new MaskReach(12, 3, 12, far)), LambdaAttention.Attend(moved, new MaskReach(12, offset + 3, 12, far)), absolute: allowed);
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Bits_are_the_same_again_and_on_two_threads(string positions, int far)
    {
        using var scope = NewDisposeScope();
        var input = To(Input(700, ScalarType.Float64, Encoding(positions), hasSinks: true), ScalarType.Float32);
        var reach = new MaskReach(300, 5, 300, (FarDistance)far);
        var before = get_num_threads();
        set_num_threads(1);
        var first = Bits(input, reach);
        var again = Bits(input, reach);
        set_num_threads(2);
        try
        {
            var two = Bits(input, reach);
            for (var index = 0; index < first.Count; index++)
            {
                Close.Check($"result {index} again", first[index], again[index]);
                Close.Check($"result {index} on two threads", first[index], two[index]);
            }
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void A_text_that_the_window_holds_is_plain_causal_attention_bit_for_bit()
    {
        foreach (var positions in new[] { "none", "rotary", "interleaved", "alibi" })
        {
            foreach (var length in new[] { 1L, 63, 64 })
            {
                using var scope = NewDisposeScope();
                var input = To(Input(length, ScalarType.Float64, Encoding(positions)), ScalarType.Float32);
                Close.Check($"{positions}, {length}", DenseAttention.Attend(input, new CausalMask()), LambdaAttention.Attend(input, new MaskReach(64, 7, 5)));
            }
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16, 2e-3)]
    [InlineData(ScalarType.BFloat16, 2e-2)]
    public void Half_precision_stays_near_float64_however_large_the_scores(ScalarType dtype, double allowed)
    {
        foreach (var positions in new[] { "none", "rotary", "interleaved", "alibi" })
        {
            foreach (var size in new[] { 1.0, 190 })
            {
                using var scope = NewDisposeScope();
                var input = Input(200, ScalarType.Float64, Encoding(positions), hasSinks: true);
                input = To(input with { Queries = input.Queries * size, Keys = input.Keys * size }, dtype);
                foreach (var far in new[] { FarDistance.Ceiling, FarDistance.Closed, FarDistance.True })
                {
                    var reach = new MaskReach(40, 5, 40, far);
                    var actual = LambdaAttention.Attend(input, reach);
                    Assert.Equal(dtype, actual.dtype);
                    Close.Check($"{positions}, {far}, scores times {size * size}", LambdaDefinition.Attend(To(input, ScalarType.Float64), reach), actual, relativeToLargest: allowed);
                }
            }
        }
    }

    // 64 Ki tokens: a score of every pair would be 16 GiB a head.
    [Fact]
    public void Padded_and_packed_rows_take_memory_linear_in_the_length() => OwnProcess.Check(LongRows);

    [Fact]
    public void A_sliding_window_takes_memory_linear_in_the_length() => OwnProcess.Check(LongWindow);

    private static void LongRows(string[] arguments)
    {
        const long length = 1 << 16;
        using var scope = NewDisposeScope();
        var segments = zeros([1, length], ScalarType.Int64);
        segments.narrow(1, 0, 1000).fill_(-1);
        segments.narrow(1, length / 2, length / 2).fill_(1);
        var layout = SequenceLayout.Read(1, length, segments);
        Within(length, layout.PositionTensor(CPU), layout.SegmentTensor(CPU), input => LambdaAttention.Attend(input, new MaskReach(64, 4, 64)));
    }

    private static void LongWindow(string[] arguments)
    {
        const long length = 1 << 16;
        using var scope = NewDisposeScope();
        var mask = new SlidingWindowMask(new SlidingWindowOptions { Window = 64 });
        Within(length, arange(length, dtype: ScalarType.Int64).unsqueeze(0), null, input => mask.Attend(input)!);
    }

    // One head of 16, forward and backward: 4 MiB a tensor.
    private static void Within(long length, Tensor positions, Tensor? documents, Func<AttentionInput, Tensor> attend)
    {
        using var random = new Generator(1);
        Tensor Draw(long count) => randn([1, 1, count, 16], generator: random).requires_grad_();
        AttentionInput Of(long count) => new(
            Draw(count), Draw(count), Draw(count), positions.narrow(1, 0, count), positions.narrow(1, 0, count), documents?.narrow(1, 0, count), documents?.narrow(1, 0, count), null);
        Step(Of(4096));
        var before = Peak();
        Step(Of(length));
        var grown = (Peak() - before) >> 20;
        if (grown > 256)
            throw new InvalidOperationException($"{length} tokens took {grown} MiB.");

        void Step(AttentionInput input)
        {
            using var inner = NewDisposeScope();
            attend(input).sum().backward();
        }

        static long Peak()
        {
            using var self = System.Diagnostics.Process.GetCurrentProcess();
            return self.PeakWorkingSet64;
        }
    }

    private static List<Tensor> Bits(AttentionInput input, MaskReach reach)
    {
        Tensor[] leaves = [.. new[] { input.Queries, input.Keys, input.Values, input.Sinks! }.Select(tensor => tensor.detach().clone().requires_grad_())];
        var y = LambdaAttention.Attend(input with { Queries = leaves[0], Keys = leaves[1], Values = leaves[2], Sinks = leaves[3] }, reach);
        return [y, .. autograd.grad([y], leaves, [y.detach().cos()])];
    }

    private static PositionEncoding? Encoding(string name) => name switch
    {
        "none" => null,
        "rotary" => new RotaryEmbedding(Width),
        "interleaved" => new RotaryEmbedding(8, isInterleaved: true),
        _ => new AlibiEncoding((int)Heads),
    };

    private static AttentionInput Input(long length, ScalarType dtype, PositionEncoding? encoding, bool hasSinks = false)
    {
        using var random = new Generator(7);
        var positions = arange(length, dtype: ScalarType.Int64).expand(2, -1);
        return new AttentionInput(
            randn([2, Heads, length, Width], dtype, generator: random),
            randn([2, KeyHeads, length, Width], dtype, generator: random),
            randn([2, KeyHeads, length, Width], dtype, generator: random),
            positions,
            positions,
            null,
            null,
            encoding)
        { Sinks = hasSinks ? randn([Heads], dtype, generator: random) : null };
    }

    private static AttentionInput To(AttentionInput input, ScalarType dtype) => input with
    {
        Queries = input.Queries.to(dtype),
        Keys = input.Keys.to(dtype),
        Values = input.Values.to(dtype),
        Sinks = input.Sinks?.to(dtype),
    };
}
