using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests.Issues;

/// <summary>Saving a dictionary deleted whatever else its folder held.</summary>
[NoTensorLeak]
public sealed class ReportSaveDeletes : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Generator random = new(3);
    private readonly TopKAutoencoder dictionary;

    public ReportSaveDeletes() => dictionary = new(new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2 }, new ParameterFactory(random));

    public void Dispose()
    {
        dictionary.Dispose();
        random.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Notes_beside_a_dictionary_stay_in_both_layouts()
    {
        foreach (var save in Saves())
        {
            var path = folder[save.Key];
            Directory.CreateDirectory(Path.Combine(path, "plots"));
            File.WriteAllText(Path.Combine(path, "notes.txt"), "mine");
            File.WriteAllText(Path.Combine(path, "plots", "a.png"), "mine");
            save.Value(path);
            save.Value(path);
            Assert.Equal("mine", File.ReadAllText(Path.Combine(path, "notes.txt")));
            Assert.Equal("mine", File.ReadAllText(Path.Combine(path, "plots", "a.png")));
            Assert.Equal(4, Directory.EnumerateFileSystemEntries(path).Count());
        }
        using var native = (IDisposable)DictionaryFolder.Load(folder["native"]);
        using var lens = AutoencoderFile.Load(folder["lens"]);
    }

    [Theory]
    [InlineData("native", "config.json", "{\"format\": 1, \"model\": {}, \"components\": []}")]
    [InlineData("native", "dictionary.safetensors", "mine")]
    [InlineData("lens", "cfg.json", "{\"server\": 80}")]
    [InlineData("lens", "sae_weights.safetensors", "mine")]
    public void A_file_of_the_same_name_that_is_somebody_elses_is_refused_by_name_and_stays(string layout, string name, string text)
    {
        File.WriteAllText(folder[name], text);
        var error = Assert.Throws<IOException>(() => Saves()[layout](folder.Path));
        Assert.Contains(folder[name], error.Message, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(folder[name]));
        Assert.Single(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    private Dictionary<string, Action<string>> Saves() => new()
    {
        ["native"] = path => DictionaryFolder.Save(path, dictionary),
        ["lens"] = path => SaeLensWriter.Save(path, dictionary, "a", "b"),
    };
}
