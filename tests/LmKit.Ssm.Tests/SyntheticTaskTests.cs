using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class SyntheticTaskTests
{
    [Theory]
    [InlineData(10, 20)]
    [InlineData(20, 40)]
    [InlineData(7, 9)]
    public void Associative_recall_asks_for_a_key_that_occurred(int vocabSize, int length) =>
        CheckExamples(new AssociativeRecallTask(vocabSize, length), CheckRecall);

    [Theory]
    [InlineData(20, 30)]
    [InlineData(5, 12)]
    public void Induction_repeats_what_followed_the_first_marker(int vocabSize, int length) =>
        CheckExamples(new InductionHeadTask(vocabSize, length), CheckInduction);

    [Fact]
    public void A_generator_seed_gives_the_same_examples_and_others_are_left_out()
    {
        using var scope = NewDisposeScope();
        var task = new AssociativeRecallTask();
        var first = task.Sample(50, new Generator(3));
        Close.Check("same seed", first, task.Sample(50, new Generator(3)));
        var fresh = task.Sample(50, new Generator(3), first);
        var known = HostValues.Read(first).Chunk(task.ExampleLength).Select(row => string.Join(' ', row)).ToHashSet();

        Assert.DoesNotContain(HostValues.Read(fresh).Chunk(task.ExampleLength), row => known.Contains(string.Join(' ', row)));
    }

    [Fact]
    public void More_examples_than_there_are_is_refused()
    {
        using var random = new Generator(1);

        var error = Assert.Throws<InvalidOperationException>(() => new AssociativeRecallTask(4, 2).Sample(50, random));

        Assert.Contains("50", error.Message, StringComparison.Ordinal);
    }

    internal static void CheckRecall(SyntheticTask task, long[] row)
    {
        var (ordinary, marker) = (task.Vocabulary.Count - 2, task.Vocabulary.Count - 1);
        var keys = ordinary / 2;
        var pairs = row[..^3].Chunk(2).ToList();
        Assert.All(pairs, pair => Assert.True(pair[0] >= 1 && pair[0] <= keys && pair[1] > keys && pair[1] <= ordinary));
        Assert.All(pairs.GroupBy(pair => pair[0]), same => Assert.Single(same.Select(pair => pair[1]).Distinct()));
        Assert.Equal(marker, row[^3]);
        Assert.Contains(pairs, pair => pair[0] == row[^2] && pair[1] == row[^1]);
    }

    internal static void CheckInduction(SyntheticTask task, long[] row)
    {
        var marker = (long)task.Vocabulary.Count - 1;
        var body = row[..^2];
        var place = Assert.Single(body.Index(), entry => entry.Item == marker).Index;
        Assert.InRange(place, 0, body.Length - 2);
        Assert.Equal(marker, row[^2]);
        Assert.Equal(body[place + 1], row[^1]);
        Assert.All(body.Where(symbol => symbol != marker), symbol => Assert.InRange(symbol, 1, marker - 1));
    }

    private static void CheckExamples(SyntheticTask task, Action<SyntheticTask, long[]> check)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(5);
        var examples = task.Sample(200, random);
        Assert.Equal([200, task.ExampleLength], examples.shape);
        var rows = HostValues.Read(examples).Chunk(task.ExampleLength).ToList();
        Assert.Equal(200, rows.Select(row => string.Join(' ', row)).Distinct().Count());
        foreach (var row in rows)
            check(task, row);
    }
}
