using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of an attention mask.</summary>
[NoTensorLeak]
public abstract class AttentionMaskConformance
{
    /// <summary>Makes the mask.</summary>
    protected abstract IAttentionMask Create();

    /// <summary>How many positions the laws look at; several times the mask's own lengths.</summary>
    protected virtual long PositionCount => 48;

    [Fact]
    public void A_causal_mask_hides_every_later_key()
    {
        var mask = Create();
        var visible = Seen(mask, PositionCount);
        var seesLater = Pairs().Any(pair => pair.Key > pair.Query && visible[pair.Query, pair.Key]);

        Assert.Equal(mask.IsCausal, !seesLater);
    }

    [Fact]
    public void What_a_forgetting_mask_hides_stays_hidden()
    {
        var mask = Create();
        var visible = Seen(mask, PositionCount);
        // Only keys that already exist count: a causal mask hides later keys at first.
        var returns = Pairs().Any(pair => pair.Query >= pair.Key && !visible[pair.Query, pair.Key]
            && Enumerable.Range(pair.Query, (int)PositionCount - pair.Query).Any(later => visible[later, pair.Key]));

        Assert.False(mask.Forgets && returns, "A key that was hidden from a query is seen by a later one.");
    }

    [Fact]
    public void A_token_sees_itself()
    {
        var visible = Seen(Create(), PositionCount);

        Assert.All(Enumerable.Range(0, (int)PositionCount), i => Assert.True(visible[i, i], $"position {i}"));
    }

    [Fact]
    public void Visible_is_pure()
    {
        using var scope = NewDisposeScope();
        var mask = Create();
        var (queries, keys) = (arange(PositionCount, dtype: ScalarType.Int64), arange(PositionCount, dtype: ScalarType.Int64));
        var first = mask.Visible(queries, keys);
        _ = mask.Visible(queries + 1_000, keys);
        var second = mask.Visible(queries, keys);

        Assert.Equal(first is null, second is null);
        if (first is not null)
            Close.Check("second answer", first, second!);
        Close.Check("queries after the calls", arange(PositionCount, dtype: ScalarType.Int64), queries);
        Close.Check("keys after the calls", arange(PositionCount, dtype: ScalarType.Int64), keys);
    }

    [Fact]
    public void Each_pair_of_positions_is_judged_by_itself()
    {
        using var scope = NewDisposeScope();
        var mask = Create();
        var visible = Seen(mask, PositionCount);
        foreach (var query in new long[] { 0, 1, PositionCount / 2, PositionCount - 1 })
        {
            var one = mask.Visible(tensor(new[] { query }), arange(PositionCount, dtype: ScalarType.Int64));
            for (var key = 0; key < PositionCount; key++)
                Assert.Equal(visible[query, key], one is null || one[0, key].item<bool>());
        }
    }

    [Fact]
    public void Null_stands_only_for_all_true()
    {
        using var scope = NewDisposeScope();
        var mask = Create();
        foreach (var length in new[] { 1, 2, 5, PositionCount })
        {
            var positions = arange(length, dtype: ScalarType.Int64);
            if (mask.Visible(positions, positions) is not null)
                continue;
            var all = arange(length, dtype: ScalarType.Int64).unsqueeze(0).expand(2, -1);
            Assert.True(mask.Visible(all, all) is null);
            Assert.True(length == 1 || !mask.IsCausal, "A causal mask claims that every key is seen.");
        }
    }

    [Fact]
    public void Batched_positions_are_judged_row_by_row()
    {
        using var scope = NewDisposeScope();
        var mask = Create();
        var queries = tensor(new long[] { 3, 4, 9, 20, 21, 40 }, [2, 3]);
        var keys = tensor(new long[] { 0, 1, 9, 3, 7, 20, 21, 39 }, [2, 4]);
        var batched = mask.Visible(queries, keys);
        if (batched is null)
            return;

        Assert.Equal(ScalarType.Bool, batched.dtype);
        Assert.Equal([2, 3, 4], batched.shape);
        for (var row = 0; row < 2; row++)
        {
            var alone = mask.Visible(queries[row], keys[row]) ?? ones(3, 4, dtype: ScalarType.Bool);
            Close.Check($"row {row}", alone, batched[row]);
        }
    }

    [Fact]
    public void Empty_sets_of_positions_are_fine()
    {
        using var scope = NewDisposeScope();
        var mask = Create();
        var (none, some) = (zeros(0, dtype: ScalarType.Int64), arange(3, dtype: ScalarType.Int64));

        Assert.True(mask.Visible(none, some) is not { } a || a.shape.SequenceEqual([0, 3]));
        Assert.True(mask.Visible(some, none) is not { } b || b.shape.SequenceEqual([3, 0]));
    }

    [Fact]
    public void Visible_leaves_no_tensor_behind()
    {
        using var scope = NewDisposeScope();
        var mask = Create();
        var positions = arange(PositionCount, dtype: ScalarType.Int64);

        LiveTensors.Unchanged("Visible", () => mask.Visible(positions, positions)?.Dispose());
    }

    private IEnumerable<(int Query, int Key)> Pairs() =>
        from query in Enumerable.Range(0, (int)PositionCount)
        from key in Enumerable.Range(0, (int)PositionCount)
        select (query, key);

    private static bool[,] Seen(IAttentionMask mask, long count)
    {
        using var scope = NewDisposeScope();
        var positions = arange(count, dtype: ScalarType.Int64);
        var answer = mask.Visible(positions, positions)?.cpu().contiguous().data<bool>().ToArray();
        var seen = new bool[count, count];
        for (var index = 0; index < count * count; index++)
            seen[index / count, index % count] = answer is null || answer[index];
        return seen;
    }
}
