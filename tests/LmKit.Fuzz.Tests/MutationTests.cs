namespace LmKit.Fuzz.Tests;

public class MutationTests
{
    public static TheoryData<string> Targets => [.. TargetList.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_case_depends_on_seed_and_number_alone_and_differs_from_the_valid_one(string name)
    {
        var target = TargetList.Find(name);
        var seeds = CorpusStore.Seeds(target);
        var changed = 0;
        for (var index = 0; index < 200; index++)
        {
            var first = CaseFiles.Make(target, seeds, 7, index);
            var again = CaseFiles.Make(target, seeds, 7, index);
            Assert.Equal(Text(first), Text(again));
            changed += Text(first) == Text(seeds.Single(seed => seed.Seed == first.Seed)) ? 0 : 1;
        }

        Assert.InRange(changed, 180, 200);
        var others = Enumerable.Range(0, 20).Count(index => Text(CaseFiles.Make(target, seeds, 7, index)) != Text(CaseFiles.Make(target, seeds, 8, index)));
        Assert.InRange(others, 18, 20);
    }

    [Fact]
    public void Only_the_files_that_a_target_names_are_changed()
    {
        var target = TargetList.Find("model-config");
        var seeds = CorpusStore.Seeds(target);
        for (var index = 0; index < 100; index++)
        {
            var made = CaseFiles.Make(target, seeds, 1, index);
            Assert.Equal(seeds.Single(seed => seed.Seed == made.Seed).Files["model.safetensors"], made.Files["model.safetensors"]);
        }
    }

    [Fact]
    public void Places_of_JSON_are_found_with_their_keys()
    {
        var json = """{"a": [1, "x"], "b": {"c": null}}"""u8.ToArray();

        var spans = JsonSpan.Of(json).Select(span => (Key: span.IsMember ? Slice(span.KeyStart, span.KeyEnd) : "", Value: Slice(span.Start, span.End)));

        Assert.Equal([("", "1"), ("", "\"x\""), ("\"a\"", "[1, \"x\"]"), ("\"c\"", "null"), ("\"b\"", "{\"c\": null}"), ("", """{"a": [1, "x"], "b": {"c": null}}""")], spans);

        string Slice(int start, int end) => System.Text.Encoding.UTF8.GetString(json[start..end]);
    }

    [Fact]
    public void Most_changes_of_JSON_leave_it_JSON()
    {
        var json = CorpusStore.Seeds(TargetList.Find("model-config"))[0].Files["config.json"];
        var random = new FuzzRandom(5);

        var whole = Enumerable.Range(0, 500).Count(_ => JsonSpan.Of(JsonMutations.Apply(random, json, [])).Count > 0);

        Assert.InRange(whole, 350, 499);
    }

    [Fact]
    public void Archives_and_packed_streams_stay_readable_when_their_insides_are_changed()
    {
        var random = new FuzzRandom(5);
        var archive = CorpusStore.Seeds(TargetList.Find("pickle-pt"))[0].Files["a.pt"];
        var packed = CorpusStore.Seeds(TargetList.Find("jsonl-gz"))[0].Files["a.jsonl.gz"];

        Assert.InRange(Enumerable.Range(0, 100).Count(_ => Opens(ArchiveMutations.Zip(random, archive, []))), 95, 100);
        Assert.InRange(Enumerable.Range(0, 100).Count(_ => Unpacks(ArchiveMutations.GZip(random, packed, plain => [.. plain, 1]))), 50, 100);
    }

    [Fact]
    public void The_numbers_of_a_seed_are_the_same_in_every_version()
    {
        var random = new FuzzRandom(1);

        Assert.Equal([10451216379200822465, 13757245211066428519, 17911839290282890590], [random.Next(), random.Next(), random.Next()]); // SplitMix64's, published
    }

    private static bool Opens(byte[] bytes)
    {
        using var archive = new System.IO.Compression.ZipArchive(new MemoryStream(bytes));
        return archive.Entries.Count > 0;
    }

    private static bool Unpacks(byte[] bytes)
    {
        try
        {
            using var stream = new System.IO.Compression.GZipStream(new MemoryStream(bytes), System.IO.Compression.CompressionMode.Decompress);
            stream.CopyTo(Stream.Null);
            return true;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    private static string Text(CaseFiles made) => string.Join('|', made.Files.OrderBy(file => file.Key, StringComparer.Ordinal).Select(file => $"{file.Key}:{Convert.ToBase64String(file.Value)}"));
}
