using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;

namespace LmKit.Composition.Tests;

/// <summary>A published folder as an app downloads it, with everything that a chat takes: a tiny fresh model of a family, and a tokenizer of another
/// size with its template.</summary>
internal sealed class ChatFolder : IDisposable
{
    private readonly TemporaryFolder folder = new();

    /// <summary>Writes the folder.</summary>
    /// <param name="family">The golden model whose configuration it has.</param>
    /// <param name="tokenizer">The golden tokenizer.</param>
    /// <param name="vocabSize">Rows of the embedding; null for a few more than the tokenizer has ids.</param>
    /// <param name="generation">The text of <c>generation_config.json</c>; null for none.</param>
    internal ChatFolder(string family, string tokenizer = "qwen2-bytelevel", int? vocabSize = null, string? generation = null)
    {
        var from = System.IO.Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers", tokenizer);
        foreach (var file in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(System.IO.Path.Combine(from, file), System.IO.Path.Combine(Path, file));
        var config = JsonNode.Parse(File.ReadAllBytes(System.IO.Path.Combine(PublishedScene.PathOf(family), "config.json")))!.AsObject();
        VocabSize = vocabSize ?? TokenizerFiles.Load(Path).VocabSize + 5;
        config["vocab_size"] = VocabSize;
        foreach (var key in new[] { "n_positions", "max_position_embeddings", "max_seq_len" }.Where(config.ContainsKey))
            config[key] = 512;
        foreach (var key in new[] { "eos_token_id", "bos_token_id", "pad_token_id" })
            _ = config.Remove(key);
        var layout = PublishedLayout.FromJson(config.ToJsonString(), generation);
        using var model = layout.CreateBuilder().Build();
        Spread(model);
        layout.Save(Path, model);
    }

    internal string Path => folder.Path;

    internal int VocabSize { get; }

    internal string PathOf(string file) => System.IO.Path.Combine(Path, file);

    internal void Edit(string file, Action<JsonObject> edit)
    {
        var root = File.Exists(PathOf(file)) ? JsonNode.Parse(File.ReadAllBytes(PathOf(file)))!.AsObject() : [];
        edit(root);
        File.WriteAllText(PathOf(file), root.ToJsonString());
    }

    public void Dispose() => folder.Dispose();

    // A fresh model says one token for ever; larger weights make it say several.
    private static void Spread(LanguageModel model)
    {
        using var scope = torch.NewDisposeScope();
        using var quiet = torch.no_grad();
        foreach (var parameter in model.parameters().Where(parameter => parameter.dim() > 1))
            _ = parameter.mul_(8);
    }
}
