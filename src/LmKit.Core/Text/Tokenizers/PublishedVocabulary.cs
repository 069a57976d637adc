using System.Security.Cryptography;
using System.Text;

namespace LmKit;

/// <summary>Reads <c>vocab.json</c> and <c>merges.txt</c> together with what <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c> and
/// <c>added_tokens.json</c> say of them.</summary>
/// <remarks>Byte-level BPE with GPT-2's words, or with Qwen 2's where <c>tokenizer_class</c> names it.</remarks>
internal static class PublishedVocabulary
{
    /// <summary>Makes the tokenizer of a folder, or null where the two files are not there or nothing stands beside them.</summary>
    /// <exception cref="TokenizerException">A file is malformed, or is of a kind that is not supported.</exception>
    internal static ModelTokenizer? Load(string folder, Func<string, ReadOnlyMemory<byte>> read)
    {
        if (!File.Exists(Path.Combine(folder, TokenizerFiles.VocabularyFile)) || !AddedTokenFiles.AreIn(folder))
            return null;
        var config = Path.Combine(folder, PublishedTokenizer.ConfigFile);
        var (kind, adds, ends, prefixes) = File.Exists(config)
            ? PublishedTokenizer.Value(config, read(config), root => (root.TextOr("tokenizer_class") ?? "GPT2Tokenizer", root.Flag("add_bos_token", false), root.Flag("add_eos_token", false), root.Flag("add_prefix_space", false)))
            : ("GPT2Tokenizer", false, false, false);
        var cutsDigits = kind is "Qwen2Tokenizer" or "Qwen2TokenizerFast";
        if (!cutsDigits && kind is not ("GPT2Tokenizer" or "GPT2TokenizerFast" or "GPTNeoXTokenizer" or "GPTNeoXTokenizerFast" or "CodeGenTokenizer" or "CodeGenTokenizerFast" or "PreTrainedTokenizerFast"))
            throw new TokenizerException(config, $"tokenizer_class is '{kind}', which is not read from {TokenizerFiles.VocabularyFile} and {TokenizerFiles.MergesFile}; known are GPT2Tokenizer, GPTNeoXTokenizer, CodeGenTokenizer and Qwen2Tokenizer. Put the model's {PublishedTokenizer.JsonFile} into the folder.");
        var vocabulary = TokenizerFiles.LoadVocabulary(folder, null);
        var entries = new TokenVocabulary(new Dictionary<string, int>(vocabulary.Entries, StringComparer.Ordinal));
        Merge[] merges = [.. vocabulary.Merges.Select((merge, rank) => Joined(entries, merge.Split(' '), rank))];
        var added = AddedTokenFiles.Read(folder, entries, read);
        var plan = new TokenizerPlan(new BytePairModel(entries, merges, new BytePairSettings { Spells = true }))
        {
            Normalizer = cutsDigits ? new FormNormalizer(NormalizationForm.FormC) : null,
            Splitters = [.. prefixes ? new TextSplitter[] { new BlankSplitter() } : [], cutsDigits ? WordScanner.For(WordScanner.Qwen2)! : WordScanner.Gpt2],
            Spells = true,
            Added = added,
            Decoders = () => [new ByteLevelDecoder()],
            Hash = Hash(folder, read),
        };
        var bare = new JsonTokenizer(plan);
        var begin = PublishedTokenizer.Id(folder, "bos_token", bare, read);
        var end = PublishedTokenizer.Id(folder, "eos_token", bare, read) ?? bare.Id("<|endoftext|>");
        if ((adds && begin is null) || (ends && end is null))
            throw new TokenizerException(config, $"{(adds && begin is null ? "add_bos_token is true and bos_token" : "add_eos_token is true and eos_token")} is not there; name the token, or set it to false.");
        var tokenizer = adds || ends ? new JsonTokenizer(plan with { Template = [.. adds ? new[] { begin } : [], null, .. ends ? new[] { end } : []] }) : bare;
        return new ModelTokenizer(tokenizer, tokenizer.IdCount, end) { BeginOfTextId = begin, SpecialTokens = tokenizer.SpecialTokens, RoleTexts = PublishedTokenizer.Roles(folder, read) };
    }

    private static Merge Joined(TokenVocabulary entries, string[] pair, int rank) => new(entries.Id(pair[0])!.Value, entries.Id(pair[1])!.Value, rank, entries.Id(pair[0] + pair[1])!.Value);

    private static string Hash(string folder, Func<string, ReadOnlyMemory<byte>> read)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in new[] { TokenizerFiles.VocabularyFile, TokenizerFiles.MergesFile, AddedTokenFiles.AddedFile, PublishedTokenizer.ConfigFile, PublishedTokenizer.MapFile }.Select(name => Path.Combine(folder, name)).Where(File.Exists))
            hash.AppendData(read(path).Span);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
