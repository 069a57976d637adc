using System.Globalization;

namespace LmKit;

/// <summary>Added tokens that stand beside a vocabulary in files of their own.</summary>
/// <remarks>
/// Ids and flags are those of <c>added_tokens_decoder</c> in <c>tokenizer_config.json</c>, else ids those of <c>added_tokens.json</c>. What the
/// config or <c>special_tokens_map.json</c> names as a token of some role is special; one that no file gives an id must be in the vocabulary.
/// They are cut out of the text as it came, as the published model code does with such folders, so <c>normalized</c> makes no difference.
/// </remarks>
internal static class AddedTokenFiles
{
    internal const string AddedFile = "added_tokens.json";

    private const string Decoder = "added_tokens_decoder";
    private const string Additional = "additional_special_tokens";
    private static readonly string[] Roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Whether a folder has any of the files.</summary>
    internal static bool AreIn(string folder) => new[] { AddedFile, PublishedTokenizer.ConfigFile, PublishedTokenizer.MapFile }.Any(name => File.Exists(Path.Combine(folder, name)));

    /// <summary>Reads the tokens, by their texts.</summary>
    /// <exception cref="TokenizerException">A file is malformed, or gives an id to two texts.</exception>
    internal static IReadOnlyList<AddedToken> Read(string folder, TokenVocabulary vocabulary, Func<string, ReadOnlyMemory<byte>> read)
    {
        var found = new Dictionary<string, AddedToken>(StringComparer.Ordinal);
        var texts = new Dictionary<int, string>();
        OfFile(AddedFile, root =>
        {
            foreach (var (name, node) in root.Entries())
                Add(node, new AddedToken(name, node.AsWhole(), IsSpecial: false));
        });
        OfFile(PublishedTokenizer.ConfigFile, root =>
        {
            if (root[Decoder] is not { IsNull: false } all)
                return;
            foreach (var (name, node) in all.Entries())
            {
                var id = int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw node.Fault("has no id for its key.");
                Add(node, new AddedToken(node.Text("content"), id, node.Flag("special", false), IsNormalized: false, node.Flag("lstrip", false), node.Flag("rstrip", false), node.Flag("single_word", false)));
            }
        });
        foreach (var name in new[] { PublishedTokenizer.ConfigFile, PublishedTokenizer.MapFile })
        {
            OfFile(name, root =>
            {
                foreach (var key in Roles.Where(key => !root[key].IsNull))
                    Special(root[key]);
                if (root[Additional] is { IsNull: false })
                {
                    foreach (var node in root.List(Additional))
                        Special(node);
                }
            });
        }
        return [.. found.Values.OrderBy(token => token.Id)];

        void OfFile(string name, Action<TokenizerNode> use)
        {
            var path = Path.Combine(folder, name);
            if (File.Exists(path))
            {
                _ = PublishedTokenizer.Value(path, read(path), root =>
                {
                    use(root);
                    return true;
                });
            }
        }

        void Add(TokenizerNode node, AddedToken token)
        {
            if (token.Text.Length == 0)
                return;
            if (token.Id is < 0 or >= TokenVocabulary.IdLimit)
                throw node.Fault($"gives '{token.Text}' the id {token.Id}; ids are 0 to {TokenVocabulary.IdLimit - 1}.");
            if ((texts.GetValueOrDefault(token.Id) ?? vocabulary.Entry(token.Id)) is { } other && other != token.Text)
                throw node.Fault($"gives '{token.Text}' the id {token.Id}, which '{other}' has.");
            if ((found.GetValueOrDefault(token.Text)?.Id ?? vocabulary.Id(token.Text)) is { } id && id != token.Id)
                throw node.Fault($"gives '{token.Text}' the id {token.Id}, and it has the id {id} already.");
            texts[token.Id] = token.Text;
            found[token.Text] = token;
        }

        void Special(TokenizerNode node)
        {
            var text = PublishedTokenizer.TextOf(node);
            if (text is null or "")
                return;
            if (found.TryGetValue(text, out var known))
                found[text] = known with { IsSpecial = true };
            else if (vocabulary.Id(text) is { } id)
                Add(node, new AddedToken(text, id, IsSpecial: true));
            else
                throw node.Fault($"is '{text}', which the tokenizer does not have; correct the file, or give it an id in {AddedFile}.");
        }
    }
}
