using System.Text.Json;

namespace LmKit;

/// <summary>Reads the tokenizer of a published folder.</summary>
/// <remarks><c>tokenizer.json</c> decides how text becomes ids and back, what stands around a text included; without it <c>tokenizer.model</c> does. Which
/// tokens begin and end a text is what <c>tokenizer_config.json</c> says, or else <c>special_tokens_map.json</c>.</remarks>
internal static class PublishedTokenizer
{
    internal const string JsonFile = "tokenizer.json";
    internal const string ModelFile = "tokenizer.model";
    internal const string ConfigFile = "tokenizer_config.json";
    internal const string MapFile = "special_tokens_map.json";

    // Classes of the published code that put the begin of text before a text unless the file says otherwise.
    private static readonly string?[] BeginsTexts = ["LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast", "GemmaTokenizer", "GemmaTokenizerFast"];

    /// <summary>Makes the tokenizer of a folder, or null where it has neither these two files nor a vocabulary with files beside it.</summary>
    internal static ModelTokenizer? Load(string folder, Func<string, ReadOnlyMemory<byte>> read)
    {
        var path = Path.Combine(folder, JsonFile);
        if (File.Exists(path))
        {
            var tokenizer = TokenizerJson.Read(path, read(path));
            return new ModelTokenizer(tokenizer, tokenizer.IdCount, Id(folder, "eos_token", tokenizer, read))
            {
                BeginOfTextId = Id(folder, "bos_token", tokenizer, read),
                SpecialTokens = tokenizer.SpecialTokens,
                RoleTexts = Roles(folder, read),
            };
        }
        path = Path.Combine(folder, ModelFile);
        if (!File.Exists(path))
            return PublishedVocabulary.Load(folder, read);
        var model = SentencePieceFile.Read(path, read(path), Adds(folder, "add_bos_token", read), Adds(folder, "add_eos_token", read), vocabulary => AddedTokenFiles.Read(folder, vocabulary, read));
        var made = (JsonTokenizer)model.Tokenizer;
        return model with { EndOfTextId = Id(folder, "eos_token", made, read) ?? model.EndOfTextId, BeginOfTextId = Id(folder, "bos_token", made, read) ?? model.BeginOfTextId, RoleTexts = Roles(folder, read) };
    }

    // Those beside the tokens that begin and end a text, for templates.
    internal static Dictionary<string, string> Roles(string folder, Func<string, ReadOnlyMemory<byte>> read)
    {
        var found = new Dictionary<string, string>();
        foreach (var path in new[] { ConfigFile, MapFile }.Select(name => Path.Combine(folder, name)).Where(File.Exists))
        {
            var bytes = read(path);
            foreach (var key in new[] { "unk_token", "sep_token", "pad_token", "cls_token", "mask_token" })
            {
                if (Token(path, key, bytes) is { } token)
                    _ = found.TryAdd(key, token);
            }
        }
        return found;
    }

    private static bool Adds(string folder, string key, Func<string, ReadOnlyMemory<byte>> read)
    {
        var path = Path.Combine(folder, ConfigFile);
        return File.Exists(path) && Value(path, read(path), root => root.Flag(key, key == "add_bos_token" && BeginsTexts.Contains(root.TextOr("tokenizer_class"))));
    }

    internal static int? Id(string folder, string key, JsonTokenizer tokenizer, Func<string, ReadOnlyMemory<byte>> read)
    {
        foreach (var name in new[] { ConfigFile, MapFile })
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path) || Token(path, key, read(path)) is not { } token)
                continue;
            return tokenizer.Id(token) ?? throw new TokenizerException(path, $"{key} is '{token}', which the tokenizer does not have; correct one of the two files.");
        }
        return null;
    }

    private static string? Token(string path, string key, ReadOnlyMemory<byte> bytes) => Value(path, bytes, root => TextOf(root[key]));

    /// <summary>The text of a token, which may be an object with flags; null where it is absent.</summary>
    internal static string? TextOf(TokenizerNode node) => node.IsNull ? null : node.Element.ValueKind == JsonValueKind.Object ? node.Text("content") : node.AsText();

    internal static T Value<T>(string path, ReadOnlyMemory<byte> bytes, Func<TokenizerNode, T> get)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 64, AllowDuplicateProperties = false });
            return get(new TokenizerNode(path, "", document.RootElement));
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw new TokenizerException(path, $"the file is not the JSON it should be: {failure.Message}", failure);
        }
    }
}
