using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Published folders are opened whatever their files are, and saved as they were.</summary>
[NoTensorLeak]
public class RoundTripTests
{
    public static TheoryData<string> Folders => [.. PublishedFolders.All.Select(folder => Path.GetFileName(folder)!)];

    [Theory]
    [MemberData(nameof(Folders))]
    public void TheLogitsAreThoseOfTheFolder(string name)
    {
        var folder = PublishedFolders.Of(name);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var published = PublishedModel.Load(folder, dtype: ScalarType.Float64);
        using var reader = new SafetensorsReader(Path.Combine(folder, "expected.safetensors"));
        var wanted = reader.Read("logits");
        var found = published.Model.call(reader.Read("input_ids"), null);

        Assert.True(((found - wanted).abs().max() / wanted.abs().max()).ToDouble() < 1e-10);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void EveryTensorIsSavedUnderItsNameWithItsBytes(string name)
    {
        var folder = PublishedFolders.Of(name);
        using var scope = NewDisposeScope();
        using var saved = new TemporaryFolder();
        using (var published = PublishedModel.Load(folder))
        {
            published.Save(saved["out"]);

            using var before = PublishedFolders.Open(folder);
            using var after = new SafetensorsReader(Path.Combine(saved["out"], "model.safetensors"));
            var spare = published.SpareTensors;
            Assert.Equal(before.Entries.Select(entry => entry.Name).Except(spare).Order(StringComparer.Ordinal), after.Entries.Select(entry => entry.Name).Order(StringComparer.Ordinal));
            foreach (var entry in after.Entries)
            {
                var (one, other) = (before.Read(entry.Name), after.Read(entry.Name));
                Assert.Equal(one.dtype, other.dtype);
                Assert.Equal(one.contiguous().bytes.ToArray(), other.bytes.ToArray());
            }
            Assert.Equal("pt", after.Metadata["format"]);
        }
        foreach (var file in (string[])["config.json", "generation_config.json"])
        {
            var path = Path.Combine(folder, file);
            Assert.Equal(File.Exists(path), File.Exists(Path.Combine(saved["out"], file)));
            if (File.Exists(path))
                Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(saved["out"], file)));
        }
    }
}
