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
        if (root.TextOr("version") is { } version && version != "1.0")
            throw root["version"].Fault($"is '{version}', which is unknown; known is 1.0.");
        var splitters = root["pre_tokenizer"] is { IsNull: false } pre ? Splitters(pre) : [];
        var isBytePair = IsBytePair(root["model"]);
        // Bytes are spelled in the model where nothing comes behind it, so that words are known by their text.
        var spells = isBytePair && splitters.Count > 0 && splitters[^1] is SpellSplitter;
        var model = Model(root["model"], tables, spells);
        var added = Added(root, model.Vocabulary);
        var template = root["post_processor"] is { IsNull: false } processor ? Template(processor, [[null]]).SelectMany(part => part).ToList() : null;
        if (template?.FirstOrDefault(id => id is { } known && model.Vocabulary.Entry(known) is null && !added.Exists(token => token.Id == known)) is { } missing)
            throw root["post_processor"].Fault($"puts the id {missing} around a text, which no token has.");
        return new TokenizerPlan(model)
        {
            Normalizer = root["normalizer"] is { IsNull: false } normalizer ? Normalizer(normalizer) : null,
            Splitters = spells ? splitters[..^1] : splitters,
            Spells = spells,
            Added = added,
            Template = template,
            Decoders = root["decoder"] is { IsNull: false } decoder ? Ended(Decoders(decoder)) : () => [],
        };
    }

    // A file with a decoder of no steps joins tokens without blanks.
    private static Func<IEnumerable<TokenDecoder>> Ended(Func<IEnumerable<TokenDecoder>> steps) => () => steps().DefaultIfEmpty(new JoinDecoder());

    private static List<AddedToken> Added(TokenizerNode root, TokenVocabulary vocabulary)
    {
        var added = new List<AddedToken>();
        if (root["added_tokens"].IsNull)
            return added;
        var byId = new Dictionary<int, string>();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
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
            if (token.Text.Length == 0)
                continue; // stands for nothing
            if (added.Count == MostAdded)
                throw node.Fault($"is one too many; {MostAdded} added tokens are allowed.");
            if (token.Id is < 0 or >= TokenVocabulary.IdLimit)
                throw node["id"].Fault($"is {token.Id}; ids are 0 to {TokenVocabulary.IdLimit - 1}.");
            if ((byId.TryGetValue(token.Id, out var other) || (other = vocabulary.Entry(token.Id)) is not null) && other != token.Text)
                throw node["id"].Fault($"gives '{token.Text}' the id {token.Id}, which '{other}' has.");
            var at = places.GetValueOrDefault(token.Text, -1);
            var id = at >= 0 ? added[at].Id : vocabulary.Id(token.Text) ?? token.Id;
            if (id != token.Id)
                throw node["id"].Fault($"gives '{token.Text}' the id {token.Id}, and it has the id {id} already.");
            byId[token.Id] = token.Text;
            if (places.TryAdd(token.Text, added.Count))
                added.Add(token);
            else
                added[at] = token with { IsSpecial = token.IsSpecial || added[at].IsSpecial, IsNormalized = (added[at].IsSpecial ? added[at] : token).IsNormalized }; // the last one's flags count
        }
        return added;
    }

    // Every kind puts its ids around what the ones before made: parts, of which a template makes one of each of its items.
    private static List<IReadOnlyList<int?>> Template(TokenizerNode node, List<IReadOnlyList<int?>> parts)
    {
        switch (node.Type)
        {
            case "ByteLevel":
                return parts; // moves places only
            case "Sequence":
                return node.List("processors").Aggregate(parts, (made, processor) => Template(processor, made));
            case "BertProcessing":
            case "RobertaProcessing":
                var (first, last) = (Pair(node, "cls"), Pair(node, "sep"));
                return [.. parts.Select((part, index) => (IReadOnlyList<int?>)[.. index == 0 ? new int?[] { first } : node.Type == "RobertaProcessing" ? [last] : [], .. part, last])];
            case "TemplateProcessing":
                if (parts.Count > 2)
                    throw node.Fault($"gets {parts.Count} parts of the processor before it; a template takes one or two.");
                return [.. node.List(parts.Count == 1 ? "single" : "pair").Select(item => TemplatePart(node, item, parts))];
            default:
                throw node.Unknown("post-processor", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence");
        }
    }

    private static IReadOnlyList<int?> TemplatePart(TokenizerNode node, TokenizerNode item, List<IReadOnlyList<int?>> parts) =>
        item["SpecialToken"] is { IsNull: false } special ? [.. SpecialIds(node, special.Text("id"))]
        : item["Sequence"] is not { IsNull: false } sequence ? throw item.Fault("must be a SpecialToken or a Sequence.")
        : sequence.Text("id") switch
        {
            "A" => parts[0],
            "B" when parts.Count == 2 => parts[1],
            var other => throw item.Fault($"is the Sequence {other}; {(parts.Count == 1 ? "only A is" : "A and B are")} there."),
        };

    private static IEnumerable<int?> SpecialIds(TokenizerNode node, string name) =>
        node["special_tokens"] is { IsNull: false } all && all[name] is { IsNull: false } token
            ? token.List("ids").Select(id => (int?)Checked(id))
            : throw node["special_tokens"].Fault($"lacks '{name}', which the template uses.");

    private static int Checked(TokenizerNode node) => node.AsWhole() is >= 0 and < TokenVocabulary.IdLimit and var id ? id : throw node.Fault($"must be 0 to {TokenVocabulary.IdLimit - 1}.");

    private static int Pair(TokenizerNode node, string name) =>
        node.List(name).ToList() is [_, var id] ? Checked(id) : throw node[name].Fault("must be a token and its id.");
}
