using LmKit.Conformance;
using TorchSharp;
using Xunit.Sdk;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class GoldenSourceTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly List<string> lines = [];
    private readonly List<string> ran = [];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_file_and_sub_folder_is_a_case_and_the_README_is_none()
    {
        Write("area/h3_step.safetensors");
        Write("area/scores.json");
        Write("area/README.md");
        Write("area/.hidden");
        Write("area/checkpoint/weights.bin");

        Assert.Equal(["checkpoint", "h3_step.safetensors", "scores.json"], Source().Cases("area"));
    }

    [Theory]
    [InlineData("h3_layer_hd3.safetensors", "h3_layer")]
    [InlineData("h3_layer.safetensors", "h3_layer")]
    [InlineData("h3_step.safetensors", "h3")]
    [InlineData("scores_2.json", "scores")]
    [InlineData("checkpoint_small", "checkpoint")]
    public void The_longest_known_prefix_is_the_kind(string name, string kind)
    {
        Write(name.Contains('.') ? $"area/{name}" : $"area/{name}/file");

        Source().Run("area", name, Checks("h3", "h3_layer", "scores", "checkpoint"), lines.Add);

        Assert.Equal([$"{kind} {name}"], ran);
    }

    [Fact]
    public void A_file_of_no_known_kind_fails_with_its_name()
    {
        var error = Assert.ThrowsAny<XunitException>(() => Source().Run("area", "novel.safetensors", Checks("h3"), lines.Add));

        Assert.Contains("not covered: novel.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_area_without_data_fails_once_a_folder_is_named_and_is_skipped_until_then()
    {
        Assert.Equal([GoldenSource.NoData], Source().Cases("area"));
        var error = Assert.ThrowsAny<XunitException>(() => Source().Run("area", GoldenSource.NoData, Checks("h3"), lines.Add));
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);

        var suite = new Toy();
        Assert.Null(suite.ReasonToSkip(Source(), GoldenSource.NoData));
        Assert.NotNull(suite.ReasonToSkip(Source() with { IsChosen = false }, GoldenSource.NoData));
        Assert.NotNull(suite.ReasonToSkip(new GoldenSource(null, false, false), GoldenSource.NoData));
        Assert.NotNull(suite.ReasonToSkip(Source() with { IsPartial = true }, GoldenSource.NoData));
        Assert.Null(suite.ReasonToSkip(new GoldenSource(folder["missing"], true, true), GoldenSource.NoData));
    }

    [Fact]
    public void Only_a_partial_run_skips_an_unknown_kind_and_a_listed_one_is_always_skipped_with_its_reason()
    {
        Write("toy/novel.safetensors");
        var suite = new Toy();

        Assert.Null(suite.ReasonToSkip(Source(), "novel.safetensors"));
        Assert.Contains("novel.safetensors", suite.ReasonToSkip(Source() with { IsPartial = true }, "novel.safetensors")!, StringComparison.Ordinal);
        Assert.Contains("not built yet", suite.ReasonToSkip(Source(), "h3_later.safetensors")!, StringComparison.Ordinal);
        Assert.Null(suite.ReasonToSkip(Source() with { IsPartial = true }, "h3.safetensors"));
    }

    [Fact]
    public void A_listed_part_is_a_case_of_its_own_and_is_skipped()
    {
        Save("toy/h3.safetensors", new() { ["x"] = ones(1), ["later.y"] = ones(1) });
        var suite = new Toy();

        Assert.Equal(["h3.safetensors", "h3.safetensors > later.*"], suite.CasesOf(Source(), "h3.safetensors"));
        Assert.Contains("not built either", suite.ReasonToSkip(Source(), "h3.safetensors > later.*")!, StringComparison.Ordinal);
        Run(golden => golden.Check("x", ones(1)));
        Assert.Contains("later.y is read although it is listed", Assert.ThrowsAny<XunitException>(() => Run(golden =>
        {
            golden.Check("x", ones(1));
            golden.Check("later.y", ones(1));
        })).Message, StringComparison.Ordinal);

        void Run(Action<GoldenCase> check) => Source().Run("toy", "h3.safetensors", new Dictionary<string, Action<GoldenCase>> { ["h3"] = check }, lines.Add, (_, tensor) => tensor.StartsWith("later.", StringComparison.Ordinal));
    }

    [Fact]
    public void Folders_below_the_parent_of_an_area_are_looked_at_one_by_one()
    {
        Write("known/h3.safetensors");
        Write("core/models/gpt2/config.json");
        Write("core/novel/file");

        Assert.Equal(["core", "known"], Source().Folders(["known"]));
        Assert.Equal(["core/models", "core/novel", "known"], Source().Folders(["known", "core/models"]));
    }

    [Theory]
    [InlineData("nothing", "nothing of it but zeros was compared")]
    [InlineData("zeros", "nothing of it but zeros was compared")]
    [InlineData("tensor", "unread tensor y")]
    [InlineData("option", "unread option eps")]
    [InlineData("nested", "unread option c0: wd")]
    public void A_check_that_leaves_something_unused_fails_with_its_name(string left, string fault)
    {
        Save("area/h3.safetensors", new() { ["x"] = tensor([1.0, 2.0]), ["y"] = tensor([0.0, 0.0]) }, new() { ["eps"] = "0.5", ["note"] = "free text", ["c0"] = "{'lr': 0.1, 'wd': '0.2'}" });
        var error = Assert.ThrowsAny<XunitException>(() => Run(left));

        Assert.Contains("h3.safetensors", error.Message, StringComparison.Ordinal);
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
        Run("no part");

        void Run(string without) => Source().Run("area", "h3.safetensors", new Dictionary<string, Action<GoldenCase>>
        {
            ["h3"] = golden =>
            {
                var x = golden.Tensor("x");
                if (without is not ("nothing" or "zeros"))
                    Close.Check("x", tensor([1.0, 2.0]), x);
                if (without == "zeros")
                    golden.Check("y", zeros(2, ScalarType.Float64));
                else if (without != "tensor")
                    _ = golden.Tensor("y");
                if (without != "option")
                    Assert.Equal(0.5, golden.Options.Number("eps"));
                Assert.Equal(0.1, golden.Options.Nested("c0").Number("lr"));
                if (without != "nested")
                    Assert.Equal(0.2, golden.Options.Nested("c0").Number("wd"));
            },
        }, lines.Add);
    }

    [Fact]
    public void A_missing_option_is_named_with_its_file_and_so_is_one_that_is_no_number()
    {
        Save("area/ema.safetensors", new() { ["x"] = ones(1) }, new() { ["rule"] = "warm" });
        XunitException Fails(Action<GoldenCase> check) => Assert.ThrowsAny<XunitException>(() => Source().Run("area", "ema.safetensors", new Dictionary<string, Action<GoldenCase>> { ["ema"] = check }, lines.Add));

        Assert.Contains("ema.safetensors (kind ema) states no option 'decay'", Fails(golden => golden.Options.Number("decay")).Message, StringComparison.Ordinal);
        Assert.Contains("rule = 'warm'", Fails(golden => golden.Options.Whole("rule")).Message, StringComparison.Ordinal);
        Assert.Contains("rule = warm", Fails(golden => golden.Options.Agrees("rule", "cold")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unread_properties_and_files_fail_with_their_names()
    {
        File.WriteAllText(Prepared("area/list.json"), """[{"text": "a", "result": 1, "more": 2}]""");
        File.WriteAllText(Prepared("area/pack/read.json"), "{}");
        File.WriteAllText(Prepared("area/pack/inner/unread.json"), "{}");

        Assert.Contains("unread property entry 0: result, entry 0: more", Fails("list.json", golden => golden.Equal("text", new[] { golden.Records()[0].Text("text") }, new[] { "a" })).Message, StringComparison.Ordinal);
        Assert.Contains($"unread file {Path.Combine("inner", "unread.json")}", Fails("pack", golden => golden.Equal("file", new[] { golden.PathOf("read.json") }, new[] { golden.PathOf("read.json") })).Message, StringComparison.Ordinal);

        XunitException Fails(string name, Action<GoldenCase> check) => Assert.ThrowsAny<XunitException>(() => Source().Run("area", name, new Dictionary<string, Action<GoldenCase>> { [Path.GetFileNameWithoutExtension(name)] = check }, lines.Add));
    }

    [Fact]
    public void A_case_gives_tensors_pairs_groups_and_metadata()
    {
        Save("area/h3.safetensors", new() { ["a/z.re"] = tensor([1.0, 2.0]), ["a/z.im"] = tensor([3.0, 4.0]), ["b/n"] = tensor([5L]) }, new() { ["head_dim"] = "4" });
        var checks = new Dictionary<string, Action<GoldenCase>> { ["h3"] = Check };

        Source().Run("area", "h3.safetensors", checks, lines.Add);

        Assert.Equal(["checked"], ran);

        void Check(GoldenCase golden)
        {
            Assert.Equal(["a", "b"], golden.Groups('/'));
            Assert.Equal(["b/n"], golden.Names("b/"));
            Assert.Equal(4, golden.Options.Whole("head_dim"));
            golden.Check("b/n", 5, 0);
            Assert.Equal(3, golden.Complex("a/z").imag[0].item<double>());
            ran.Add("checked");
        }
    }

    private GoldenSource Source() => new(folder.Path, true, false);

    private void Write(string relative) => File.WriteAllText(Prepared(relative), "{}");

    private string Prepared(string relative)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder[relative])!);
        return folder[relative];
    }

    private void Save(string relative, Dictionary<string, Tensor> tensors, Dictionary<string, string>? options = null)
    {
        SafetensorsWriter.Save(Prepared(relative), tensors, options);
        foreach (var tensor in tensors.Values)
            tensor.Dispose();
    }

    private Dictionary<string, Action<GoldenCase>> Checks(params string[] kinds) =>
        kinds.ToDictionary(kind => kind, kind => (Action<GoldenCase>)(golden =>
        {
            golden.Equal("kind", new[] { golden.Kind }, new[] { kind });
            if (Directory.Exists(golden.Path))
                _ = golden.PathOf("file");
            ran.Add($"{golden.Kind} {Path.GetFileName(golden.Path)}");
        }));

    [GoldenArea("toy")]
    private sealed class Toy() : GoldenSuite(new Xunit.Sdk.TestOutputHelper())
    {
        protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>> { ["h3"] = _ => { } };

        protected override IReadOnlyDictionary<string, string> Missing { get; } = new Dictionary<string, string> { ["h3_later"] = "not built yet" };

        protected override IReadOnlyDictionary<string, string> MissingParts { get; } = new Dictionary<string, string> { ["h3: later.*"] = "not built either" };
    }
}
