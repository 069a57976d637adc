using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What holding rotary keys turned must not change, and what it must spare.</summary>
[NoTensorLeak]
public sealed class TurnedKeysTests
{
    private const long Width = 24;

    public static TheoryData<ScalarType, string, int, double> Cases => new()
    {
        { ScalarType.Float32, "rotary", 1, 1e-5 },
        { ScalarType.Float32, "rotary", 2, 1e-5 },
        { ScalarType.Float32, "alibi", 2, 1e-5 },
        { ScalarType.Float32, "none", 4, 1e-5 },
        { ScalarType.Float64, "rotary", 2, 1e-12 },
        { ScalarType.BFloat16, "rotary", 2, 2e-2 },
        { ScalarType.Float16, "rotary", 4, 2e-2 },
        { ScalarType.Float16, "alibi", 1, 2e-2 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Chunks_of_one_to_five_a_fork_and_a_restored_state_equal_the_whole(ScalarType dtype, string positions, int keyHeads, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var attention = Make(positions, keyHeads, dtype);
        var x = Input(3, 40).to(dtype);
        var whole = attention.call(x, null);
        for (var chunk = 1; chunk <= 5; chunk++)
        {
            using var state = attention.NewState(3);
            var pieces = x.split(chunk, 1).Select(piece => attention.call(piece, new SequenceContext(state))).ToArray();
            Close.Check($"chunks of {chunk}", whole, cat(pieces, 1), relativeToLargest: tolerance);
        }
        using var first = attention.NewState(3);
        _ = attention.call(x.narrow(1, 0, 17), new SequenceContext(first));
        using var fork = first.Fork(tensor(new long[] { 2, 0, 2 }));
        using var restored = attention.NewState(3);
        restored.Restore(first.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone()), first.Position);
        var rest = x.narrow(1, 17, 23);
        var expected = Steps(attention, first, rest);
        Close.Check("a restored state", expected, Steps(attention, restored, rest));
        Close.Check("a fork", expected.index_select(0, tensor(new long[] { 2, 0, 2 })), Steps(attention, fork, rest.index_select(0, tensor(new long[] { 2, 0, 2 }))));
        Close.Check("the whole", whole.narrow(1, 17, 23), expected, relativeToLargest: tolerance);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void A_step_reads_the_phases_of_its_own_tokens_however_many_keys_are_held(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var attention = Make("rotary", 2, dtype);
        var x = Input(2, 700).to(dtype);
        using var state = attention.NewState(2);
        _ = attention.call(x.narrow(1, 0, 10), new SequenceContext(state));
        var few = Read(() => attention.call(x.narrow(1, 10, 1), new SequenceContext(state)));
        _ = attention.call(x.narrow(1, 11, 600), new SequenceContext(state));
        var many = Read(() => attention.call(x.narrow(1, 611, 1), new SequenceContext(state)));

        Assert.InRange(few, 1, 2); // once for the query and once for the key at most
        Assert.Equal(few, many);

        static long Read(Action step)
        {
            var before = RotaryTable.RowsRead;
            step();
            return RotaryTable.RowsRead - before;
        }
    }

    [Theory]
    [InlineData(100_000_000L)]
    [InlineData(5_000_000_000L)]
    public void Far_out_positions_count_by_their_distances_only(long offset)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var attention = Make("rotary", 2, ScalarType.Float32);
        var x = Input(1, 20).to(ScalarType.Float32);
        using var near = attention.NewState(1);
        _ = attention.call(x.narrow(1, 0, 12), new SequenceContext(near));
        var saved = near.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        var rotary = new RotaryEmbedding(6);
        saved["turned_keys"] = rotary.EncodeKeys(rotary.DecodeKeys(saved["turned_keys"], saved["positions"]), saved["positions"] + offset);
        saved["positions"] += offset;
        saved["cursor"] = tensor(new long[] { 0, 12 + offset, 1 });
        saved["origin"] = tensor(new long[] { 0, offset, 1, 12 });
        using var far = attention.NewState(1);
        far.Restore(saved, 12);

        Close.Check("steps", Steps(attention, near, x.narrow(1, 12, 8)), Steps(attention, far, x.narrow(1, 12, 8)), relativeToLargest: 1e-5);
    }

    [Fact]
    public void All_layers_share_one_table_and_steps_make_no_tensor()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(3).AddAttention(attention => attention.HeadCount = 2).AddRotary().Build();
        using var state = model.NewState(1);
        var token = zeros(1, 1, dtype: ScalarType.Int64);
        _ = model.call(token, new SequenceContext(state));
        LiveTensors.Unchanged("300 steps", () =>
        {
            for (var step = 0; step < 300; step++)
                model.call(token, new SequenceContext(state)).Dispose();
        });

        Assert.Same(new RotaryEmbedding(4).Table, new RotaryEmbedding(4, isInterleaved: true).Table);
        Assert.NotSame(new RotaryEmbedding(4).Table, new RotaryEmbedding(4, 500).Table);
    }

    [Theory]
    [InlineData("turned_keys", "lacks 'turned_keys'; it is of an earlier version")]
    [InlineData("descending", "positions do not ascend")]
    [InlineData("ahead", "positions reach 90, though only 4 tokens came")]
    [InlineData("uneven", "positions differ from row to row")]
    [InlineData("documents", "documents are not all 0")]
    public void A_saved_state_that_cannot_be_is_refused(string fault, string message)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var attention = Make("rotary", 2, ScalarType.Float32);
        using var state = attention.NewState(2);
        var x = Input(2, 6).to(ScalarType.Float32);
        _ = attention.call(x.narrow(1, 0, 4), new SequenceContext(state));
        var saved = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        switch (fault)
        {
            case "turned_keys":
                saved["keys"] = saved["turned_keys"];
                _ = saved.Remove("turned_keys");
                break;
            case "documents":
                saved["documents"] += 1;
                break;
            default:
                saved["positions"] = tensor(fault switch
                {
                    "descending" => [0, 2, 1, 3, 0, 2, 1, 3],
                    "ahead" => [0, 1, 2, 90, 0, 1, 2, 90],
                    _ => new long[] { 0, 1, 2, 3, 0, 1, 2, 4 },
                }, [2, 4]);
                break;
        }
        using var fork = state.Fork(tensor(new long[] { 0, 1 }));
        var expected = Steps(attention, fork, x.narrow(1, 4, 2));

        Assert.Contains(message, Assert.ThrowsAny<ArgumentException>(() => state.Restore(saved, 4)).Message, StringComparison.Ordinal);
        Close.Check("the state as it was", expected, Steps(attention, state, x.narrow(1, 4, 2)));
    }

    [Fact]
    public void Grouped_heads_are_held_once_and_wider_numbers_where_half_precision_encodes_positions()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var (positions, dtype, held) in new[]
        {
            ("rotary", ScalarType.Float32, ScalarType.Float32),
            ("rotary", ScalarType.BFloat16, ScalarType.Float32),
            ("alibi", ScalarType.Float16, ScalarType.Float32),
            ("none", ScalarType.BFloat16, ScalarType.BFloat16),
        })
        {
            using var attention = Make(positions, 1, dtype);
            using var state = attention.NewState(2);
            Assert.Equal(dtype, attention.call(Input(2, 5).to(dtype), new SequenceContext(state)).dtype);
            Assert.Equal(dtype, attention.call(Input(2, 1).to(dtype), new SequenceContext(state)).dtype);
            var keys = state.Tensors[positions == "rotary" ? "turned_keys" : "keys"];

            Assert.Equal([2, 1, 6, 6], keys.shape);
            Assert.Equal(held, keys.dtype);
        }
    }

    private static Attention Make(string positions, int keyHeads, ScalarType dtype)
    {
        using var random = new Generator(7);
        var builder = new LanguageModelBuilder { VocabSize = 8, ModelDim = Width, LayerCount = 1, Dtype = dtype }.AddPositions(positions);
        var attention = new Attention(
            new AttentionOptions { HeadCount = 4, KeyValueHeadCount = keyHeads },
            builder.CreateLayerContext(0, random));
        using var frozen = no_grad();
        foreach (var (_, parameter) in attention.named_parameters())
            parameter.mul_(20); // scores that tell keys apart
        attention.eval();
        return attention;
    }

    private static Tensor Input(long rows, long length)
    {
        using var random = new Generator(3);
        return randn([rows, length, Width], ScalarType.Float64, generator: random);
    }

    private static Tensor Steps(Attention attention, MixerState state, Tensor x) =>
        cat([.. x.split(1, 1).Select(piece => attention.call(piece, new SequenceContext(state)))], 1);
}
