using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class DocumentGroupsTests
{
    // Two documents around padding, one document behind padding, padding alone.
    private static readonly long[] segments = [0, 0, -1, 4, 4, 4, -1, -1, 7, 7, 7, 7, -1, -1, -1, -1, -1, -1];

    [Fact]
    public void Splitting_and_joining_gives_every_token_back_and_zeros_at_padding()
    {
        using var scope = NewDisposeScope();
        var segments = tensor(DocumentGroupsTests.segments, [3, 6]);
        var x = arange(1, 37, dtype: ScalarType.Float64).view(3, 6, 2);
        var groups = DocumentGroups.Read(SequenceLayout.Read(3, 6, segments));

        var joined = groups.Join([.. groups.Groups.Select(group => group.Split(x))]);

        Close.Check("joined", x.masked_fill(segments.lt(0).unsqueeze(-1), 0), joined);
    }

    [Fact]
    public void Documents_are_rows_of_their_own_aligned_left_with_their_last_token_repeated()
    {
        using var scope = NewDisposeScope();
        var x = arange(18, dtype: ScalarType.Float64).view(3, 6, 1);
        var groups = DocumentGroups.Read(SequenceLayout.Read(3, 6, tensor(segments, [3, 6])));

        Assert.Equal(2, groups.Groups.Count);
        var (shorter, longer) = (groups.Groups[0], groups.Groups[1]);
        Assert.Equal([0, 0], shorter.Rows);
        Assert.Equal([2, 3], shorter.Lengths);
        Assert.Equal([false, true], shorter.EndsRow);
        Assert.False(shorter.IsEven);
        Close.Check("shorter", tensor(new double[] { 0, 1, 1, 3, 4, 5 }, [2, 3, 1]), shorter.Split(x));
        Assert.Equal([1], longer.Rows);
        Assert.True(longer.IsEven);
        Close.Check("longer", tensor(new double[] { 8, 9, 10, 11 }, [1, 4, 1]), longer.Split(x));
    }

    [Fact]
    public void Only_a_rows_first_document_can_go_on_from_the_call_before()
    {
        using var scope = NewDisposeScope();
        var cursor = new DocumentCursor(2);
        _ = SequenceLayout.Read(2, 2, tensor(new long[] { 0, 0, -1, -1 }, [2, 2]), cursor);
        var groups = DocumentGroups.Read(SequenceLayout.Read(2, 2, tensor(new long[] { 0, 3, 0, 0 }, [2, 2]), cursor));

        Assert.Equal([true, false], groups.Groups[0].Continues);
        Assert.Equal([false], groups.Groups[1].Continues);
        Assert.False(groups.IsWhole);
    }

    [Fact]
    public void Rows_that_all_go_on_without_padding_need_no_regrouping()
    {
        using var scope = NewDisposeScope();
        var cursor = new DocumentCursor(2);
        _ = SequenceLayout.Read(2, 2, tensor(new long[] { 0, 0, -1, 5 }, [2, 2]), cursor);

        Assert.True(DocumentGroups.Read(SequenceLayout.Read(2, 3, null, cursor)).IsWhole);
        Assert.False(DocumentGroups.Read(SequenceLayout.Read(2, 1, tensor(new long[] { 0, -1 }, [2, 1]), cursor)).IsWhole);
        Assert.False(DocumentGroups.Read(SequenceLayout.Read(2, 1, tensor(new long[] { 0, 6 }, [2, 1]), cursor)).IsWhole);
    }

    [Fact]
    public void Padding_alone_makes_no_group()
    {
        using var scope = NewDisposeScope();

        Assert.Empty(DocumentGroups.Read(SequenceLayout.Read(2, 3, full([2, 3], -1L, ScalarType.Int64))).Groups);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Groups_hold_less_than_twice_the_valid_tokens(int seed)
    {
        using var scope = NewDisposeScope();
        var random = new Random(seed);
        var ids = new long[4 * 200];
        for (var place = 1; place < ids.Length; place++)
            ids[place] = random.Next(12) == 0 ? ids[place - 1] + 1 : ids[place - 1];
        var groups = DocumentGroups.Read(SequenceLayout.Read(4, 200, tensor(ids, [4, 200])));

        Assert.Equal(800, groups.Groups.Sum(group => group.Lengths.Sum()));
        Assert.InRange(groups.Groups.Sum(group => group.Count * group.Length), 800, 1599);
    }
}
