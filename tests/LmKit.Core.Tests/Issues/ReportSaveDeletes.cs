using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Issues;

/// <summary>Saving a model deleted whatever else its folder held.</summary>
[NoTensorLeak]
public sealed class ReportSaveDeletes : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_model_saved_into_the_current_folder_leaves_everything_else()
    {
        Write("src/Program.cs");
        Write("thesis.docx");
        Write(".git/HEAD");
        var before = Environment.CurrentDirectory;
        Environment.CurrentDirectory = folder.Path;
        try
        {
            using var model = Model();
            model.Save(".");
            model.Save(".");
            using var loaded = LanguageModel.Load(".");
            Assert.Equal(folder.Path, Directory.GetCurrentDirectory());
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
        Assert.Equal([".git", "config.json", "model.safetensors", "src", "thesis.docx"], folder.Names);
        Assert.All(["src/Program.cs", "thesis.docx", ".git/HEAD"], name => Assert.Equal("mine", File.ReadAllText(folder[name])));
    }

    [Fact]
    public void A_tokenizer_checkpoints_and_a_readme_beside_the_model_stay()
    {
        var path = folder["model"];
        using var model = Model();
        model.Save(path, TokenizerFiles.SaveBytes);
        Write("model/README.md");
        Write("model/step-00000002/trainer.json");
        Write("model/adapter_config.json");
        model.Save(path);
        Assert.Equal(ModelTokenizer.Bytes.VocabSize, TokenizerFiles.Load(path).VocabSize);
        Assert.All(["model/README.md", "model/step-00000002/trainer.json", "model/adapter_config.json"], name => Assert.Equal("mine", File.ReadAllText(folder[name])));
    }

    [Theory]
    [InlineData("config.json", "{\"model_type\": \"llama\"}")]
    [InlineData("config.json", "{\"kind\": \"top_k\", \"package\": \"LmKit.Interp\", \"options\": {}}")]
    [InlineData("config.json", "server: 80")]
    [InlineData("model.safetensors", "weights of another")]
    public void A_file_of_the_same_name_that_is_somebody_elses_is_refused_by_name_and_stays(string name, string text)
    {
        File.WriteAllText(folder[name], text);
        using var model = Model();
        var error = Assert.Throws<IOException>(() => model.Save(folder.Path));
        Assert.Contains(folder[name], error.Message, StringComparison.Ordinal);
        Assert.Contains("nothing was changed", error.Message, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(folder[name]));
        Assert.Equal([name], folder.Names);
    }

    [Fact]
    public void A_link_to_a_model_stays_a_link_and_the_model_behind_it_is_the_new_one()
    {
        using var first = Model();
        using var second = Model(seed: 4);
        first.Save(folder["real"]);
        Directory.CreateSymbolicLink(folder["link"], folder["real"]);
        second.Save(folder["link"]);
        Assert.Equal(folder["real"], new DirectoryInfo(folder["link"]).LinkTarget);
        using var loaded = LanguageModel.Load(folder["real"]);
        Assert.All(second.named_parameters(), pair => Assert.True(pair.parameter.Equals(loaded.get_parameter(pair.name)!), pair.name));
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_named_as_that()
    {
        if (!OperatingSystem.IsLinux())
            return;
        using var model = Model();
        File.WriteAllText(folder[".lmkit-save"], "mine");
        foreach (var path in new[] { "/proc/lmkit", "/proc", folder.Path })
        {
            var error = Assert.Throws<IOException>(() => model.Save(path));
            Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
            Assert.Contains("cannot be saved", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("another writer", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal("mine", File.ReadAllText(folder[".lmkit-save"]));
    }

    [Fact]
    public async Task A_reader_beside_two_writers_never_fails()
    {
        using var model = Model();
        model.Save(folder["model"]);
        var writers = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            for (var round = 0; round < 60; round++)
                model.Save(folder["model"]);
        })).ToArray();
        while (!writers.All(writer => writer.IsCompleted))
            LanguageModel.Load(folder["model"]).Dispose();
        await Task.WhenAll(writers);
        Assert.Equal(["model"], folder.Names);
    }

    private static LanguageModel Model(ulong seed = 0)
    {
        var builder = new LanguageModelBuilder { VocabSize = 32, ModelDim = 16, LayerCount = 1 };
        builder.Options.Seed = seed;
        return builder.AddAttention(attention => attention.HeadCount = 2).Build();
    }

    private void Write(string name)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder[name])!);
        File.WriteAllText(folder[name], "mine");
    }
}
