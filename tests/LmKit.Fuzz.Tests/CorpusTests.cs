namespace LmKit.Fuzz.Tests;

public class CorpusTests
{
    public static TheoryData<string> Targets => [.. TargetList.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Every_valid_file_is_read_and_holds_what_the_manifest_says(string target) =>
        Assert.Empty(CorpusStore.Differences([TargetList.Find(target)]));

    [Fact]
    public void A_value_that_changed_and_a_file_that_is_refused_are_found()
    {
        var target = TargetList.Find("safetensors");

        Assert.Contains(CorpusStore.Differences([target with { Read = (folder, seed) => target.Read(folder, seed) + " " }]), fault => fault.Contains("has the digest", StringComparison.Ordinal));
        Assert.Contains(CorpusStore.Differences([target with { Read = (folder, _) => throw new InvalidDataException(folder) }]), fault => fault.Contains("Refused InvalidDataException", StringComparison.Ordinal));
        Assert.Contains(CorpusStore.Differences([target with { Name = "nowhere" }]), fault => fault.Contains("no valid case", StringComparison.Ordinal));
    }

    [Fact]
    public void Entry_points_called_as_they_should_be_refuse_nothing() => Assert.Empty(CorpusStore.Refusals(TargetList.Calls));

    [Fact]
    public void The_corpus_is_small() =>
        Assert.InRange(Directory.EnumerateFiles(CorpusStore.Root, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length), 1, 2 << 20);
}
