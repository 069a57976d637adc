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
    public void A_partial_run_reports_a_file_of_no_known_kind_and_goes_on()
    {
        (Source() with { IsPartial = true }).Run("area", "novel.safetensors", Checks("h3"), lines.Add);

        Assert.Equal(["not covered: novel.safetensors"], lines);
        Assert.Empty(ran);
    }

    [Fact]
    public void An_area_without_data_is_fine_until_a_folder_is_named()
    {
        var unset = Source() with { IsChosen = false };
        Assert.Equal([GoldenSource.NoData], unset.Cases("area"));
        unset.Run("area", GoldenSource.NoData, Checks("h3"), lines.Add);
        new GoldenSource(null, false, false).Run("area", GoldenSource.NoData, Checks("h3"), lines.Add);

        var error = Assert.ThrowsAny<XunitException>(() => Source().Run("area", GoldenSource.NoData, Checks("h3"), lines.Add));
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_partial_run_allows_a_missing_area_but_not_a_missing_folder()
    {
        (Source() with { IsPartial = true }).Run("area", GoldenSource.NoData, Checks("h3"), lines.Add);

        var missing = new GoldenSource(folder["missing"], true, true);
        Assert.ThrowsAny<XunitException>(() => missing.Run("area", GoldenSource.NoData, Checks("h3"), lines.Add));
    }

    [Fact]
    public void An_area_without_a_suite_fails_unless_the_run_is_partial()
    {
        Write("known/h3.safetensors");
        Write("novel/h3.safetensors");

        Assert.ThrowsAny<XunitException>(() => Source().RequireKnownAreas(["known", "absent"], lines.Add));
        (Source() with { IsPartial = true }).RequireKnownAreas(["known"], lines.Add);
        Source().RequireKnownAreas(["known", "novel"], lines.Add);
        Assert.Equal(["not covered: novel", "not covered: novel"], lines);
    }

    [Fact]
    public void A_check_that_reads_nothing_fails()
    {
        Write("area/h3.safetensors");
        var checks = new Dictionary<string, Action<GoldenCase>> { ["h3"] = _ => { } };

        Assert.ThrowsAny<XunitException>(() => Source().Run("area", "h3.safetensors", checks, lines.Add));
    }

    [Fact]
    public void A_case_gives_tensors_pairs_groups_and_metadata()
    {
        Directory.CreateDirectory(folder["area"]);
        using (var scope = NewDisposeScope())
        {
            var tensors = new Dictionary<string, Tensor> { ["a/z.re"] = tensor([1.0, 2.0]), ["a/z.im"] = tensor([3.0, 4.0]), ["b/n"] = tensor([5L]) };
            SafetensorsWriter.Save(folder["area/h3.safetensors"], tensors, new Dictionary<string, string> { ["head_dim"] = "4" });
        }
        var checks = new Dictionary<string, Action<GoldenCase>> { ["h3"] = Check };

        Source().Run("area", "h3.safetensors", checks, lines.Add);

        Assert.Equal(["checked"], ran);

        void Check(GoldenCase golden)
        {
            Assert.Equal(["a", "b"], golden.Groups('/'));
            Assert.Equal(["b/n"], golden.Names("b/"));
            Assert.Equal("4", golden.Metadata["head_dim"]);
            Assert.Equal(5, golden.Number("b/n"));
            Assert.Equal(3, golden.Complex("a/z").imag[0].item<double>());
            ran.Add("checked");
        }
    }

    private GoldenSource Source() => new(folder.Path, true, false);

    private void Write(string relative)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder[relative])!);
        File.WriteAllText(folder[relative], "{}");
    }

    private Dictionary<string, Action<GoldenCase>> Checks(params string[] kinds) =>
        kinds.ToDictionary(kind => kind, kind => (Action<GoldenCase>)(golden =>
        {
            _ = golden.PathOf("file");
            ran.Add($"{golden.Kind} {Path.GetFileName(golden.Path)}");
        }));
}
