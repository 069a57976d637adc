using System.Security.Cryptography;
using System.Text.Json;

namespace LmKit;

/// <summary>Reads <c>tokenizer.json</c> of Hugging Face's library (format 1.0).</summary>
/// <remarks>Truncation and padding there are settings of batches and have no effect here, as in the published model code, which sets its own.</remarks>
internal static partial class TokenizerJson
{
    private const int LongestFile = 256 << 20;
    private const int MostAdded = 1 << 20;

    /// <summary>Reads the file.</summary>
    /// <exception cref="TokenizerException">It is malformed or holds what is not supported; names the file and the key.</exception>
    internal static JsonTokenizer Read(string path, ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > LongestFile)
            throw new TokenizerException(path, $"the file has {bytes.Length} bytes; {LongestFile} are allowed.");
        try
        {
            var tables = TokenizerTables.Cut(bytes);
            using var document = JsonDocument.Parse(tables.Rest, TokenizerTables.Options);
            CheckKeys(new TokenizerNode(path, "", document.RootElement));
            return new JsonTokenizer(Plan(new TokenizerNode(path, "", document.RootElement), tables) with { File = path, Hash = Convert.ToHexStringLower(SHA256.HashData(bytes.Span)) });
        }
        catch (TokenizerRefusal failure)
        {
            throw new TokenizerException(path, failure.Message, failure);
        }
        catch (Exception failure) when (failure is JsonException or FormatException)
        {
            throw new TokenizerException(path, failure is JsonException ? $"the file is not the JSON it should be: {failure.Message}" : $"{failure.Message}.", failure);
        }
        catch (InvalidOperationException failure)
        {
            throw new TokenizerException(path, $"the file holds text that is none: {failure.Message}", failure);
        }
    }

    // The vocabulary is checked where it is read.
    private static void CheckKeys(TokenizerNode node)
    {
        if (node.Element.ValueKind == JsonValueKind.Object)
        {
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (var property in node.Element.EnumerateObject())
            {
                if (!seen.Add(property.Name))
                    throw node[property.Name].Fault("is there twice.");
                CheckKeys(node[property.Name]);
            }
        }
        else if (node.Element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in node.Items())
                CheckKeys(item);
        }
    }

    private static TokenizerPlan Plan(TokenizerNode root, TokenizerTables tables)
    {
        if (root["model"].IsNull)
            throw root["model"].Fault("is missing, so the file is no tokenizer.");
        var splitters = root["pre_tokenizer"] is { IsNull: false } pre ? Splitters(pre) : [];
        var isBytePair = IsBytePair(root["model"]);
        // Bytes are spelled in the model where nothing comes behind it, so that words are known by their text.
        var spells = isBytePair && splitters.Count > 0 && splitters[^1] is SpellSplitter;
        var model = Model(root["model"], tables, spells);
        var added = Added(root, model.Vocabulary);
        var template = root["post_processor"] is { IsNull: false } processor ? Template(processor, [null]) : null;
        if (template?.FirstOrDefault(id => id is { } known && model.Vocabulary.Entry(known) is null && !added.Exists(token => token.Id == known)) is { } missing)
            throw root["post_processor"].Fault($"puts the id {missing} around a text, which no token has.");
        return new TokenizerPlan(model)
        {
            Normalizer = root["normalizer"] is { IsNull: false } normalizer ? Normalizer(normalizer) : null,
            Splitters = spells ? splitters[..^1] : splitters,
            Spells = spells,
            Added = added,
            Template = template,
            Decoders = root["decoder"] is { IsNull: false } decoder ? Decoders(decoder) : () => [],
        };
    }

    private static List<AddedToken> Added(TokenizerNode root, TokenVocabulary vocabulary)
    {
        var added = new List<AddedToken>();
        if (root["added_tokens"].IsNull)
            return added;
        var byId = new Dictionary<int, string>();
        var byText = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var node in root.List("added_tokens"))
        {
            var token = new AddedToken(
                node.Text("content"),
                node.Whole("id") ?? throw node["id"].Fault("is missing."),
                node.Flag("special", false),
                node.Flag("normalized", !node.Flag("special", false)),
                node.Flag("lstrip", false),
                node.Flag("rstrip", false),
                node.Flag("single_word", false));
            if (added.Count == MostAdded)
                throw node.Fault($"is one too many; {MostAdded} added tokens are allowed.");
            if (token.Id is < 0 or >= TokenVocabulary.IdLimit)
                throw node["id"].Fault($"is {token.Id}; ids are 0 to {TokenVocabulary.IdLimit - 1}.");
            if ((byId.TryGetValue(token.Id, out var other) || (other = vocabulary.Entry(token.Id)) is not null) && other != token.Text)
                throw node["id"].Fault($"gives '{token.Text}' the id {token.Id}, which '{other}' has.");
            if ((byText.TryGetValue(token.Text, out var id) || (id = vocabulary.Id(token.Text) ?? token.Id) != token.Id) && id != token.Id)
                throw node["id"].Fault($"gives '{token.Text}' the id {token.Id}, and it has the id {id} already.");
            byId[token.Id] = token.Text;
            if (byText.TryAdd(token.Text, token.Id))
                added.Add(token);
        }
        return added;
    }

    // Every kind puts its ids around what the one before made.
    private static IReadOnlyList<int?> Template(TokenizerNode node, IReadOnlyList<int?> inner)
    {
        switch (node.Type)
        {
            case "ByteLevel":
                return inner; // moves places only
            case "Sequence":
                return node.List("processors").Aggregate(inner, (made, processor) => Template(processor, made));
            case "BertProcessing":
            case "RobertaProcessing":
                return [Pair(node, "cls"), .. inner, Pair(node, "sep")];
            case "TemplateProcessing":
                var made = new List<int?>();
                foreach (var item in node.List("single"))
                {
                    if (item["SpecialToken"] is { IsNull: false } special)
                        made.AddRange(SpecialIds(node, special.Text("id")));
                    else if (item["Sequence"] is { IsNull: false } sequence && sequence.Text("id") == "A")
                        made.AddRange(inner);
                    else
                        throw item.Fault("must be a SpecialToken or the Sequence A.");
                }
                return made;
            default:
                throw node.Unknown("post-processor", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence");
        }
    }

    private static IEnumerable<int?> SpecialIds(TokenizerNode node, string name) =>
        node["special_tokens"] is { IsNull: false } all && all[name] is { IsNull: false } token
            ? token.List("ids").Select(id => (int?)Checked(id))
            : throw node["special_tokens"].Fault($"lacks '{name}', which the template uses.");

    private static int Checked(TokenizerNode node) => node.AsWhole() is >= 0 and < TokenVocabulary.IdLimit and var id ? id : throw node.Fault($"must be 0 to {TokenVocabulary.IdLimit - 1}.");

    private static int Pair(TokenizerNode node, string name) =>
        node.List(name).ToList() is [_, var id] ? Checked(id) : throw node[name].Fault("must be a token and its id.");
}
