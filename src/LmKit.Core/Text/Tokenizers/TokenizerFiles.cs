using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Keeps a tokenizer in a model folder.</summary>
/// <remarks>
/// A byte-pair vocabulary is <c>vocab.json</c> and <c>merges.txt</c> as GPT-2 publishes them, which every BPE
/// implementation reads. <c>lmkit_tokenizer.json</c> says which kind the folder holds and its end of text. A folder without it is a published
/// one: <c>tokenizer.json</c> is read where it is there, else sentencepiece's <c>tokenizer.model</c>, else <c>vocab.json</c> and
/// <c>merges.txt</c> as GPT-2's or Qwen 2's; with the latter two goes what <c>added_tokens.json</c>, <c>tokenizer_config.json</c> and
/// <c>special_tokens_map.json</c> say of added tokens.
/// </remarks>
public static class TokenizerFiles
{
    internal const string KindFile = "lmkit_tokenizer.json";
    internal const string VocabularyFile = "vocab.json";
    internal const string MergesFile = "merges.txt";
    private const string BytePairKind = "byte-pair";
    private const string ByteKind = "byte";
    private const string UsualEndOfText = "<|endoftext|>";

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly string[] files = [KindFile, VocabularyFile, MergesFile, PublishedTokenizer.JsonFile, PublishedTokenizer.ModelFile, PublishedTokenizer.ConfigFile, PublishedTokenizer.MapFile, AddedTokenFiles.AddedFile];

    private static JsonSerializerOptions Json => field ??= new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, AllowDuplicateProperties = false };

    /// <summary>Writes a byte-pair vocabulary into a folder, its files in one step; everything else in it stays.</summary>
    /// <exception cref="IOException">The folder holds a vocabulary or merges that no save of this kind wrote; nothing was changed.</exception>
    public static void Save(string folder, BytePairVocabulary vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        var ordered = vocabulary.Entries.OrderBy(entry => entry.Value).ToDictionary(entry => entry.Key, entry => entry.Value);
        _ = AtomicFolder.Write(folder, Fill, CheckOwn);

        void Fill(string target)
        {
            File.WriteAllText(Path.Combine(target, VocabularyFile), JsonSerializer.Serialize(ordered, Json));
            File.WriteAllText(Path.Combine(target, MergesFile), "#version: 0.2\n" + string.Concat(vocabulary.Merges.Select(merge => merge + "\n")));
            WriteKind(target, new(BytePairKind, vocabulary.EndOfText));
        }
    }

    private static void CheckOwn(string there)
    {
        if (!File.Exists(Path.Combine(there, KindFile)) && new[] { VocabularyFile, MergesFile }.Select(name => Path.Combine(there, name)).FirstOrDefault(File.Exists) is { } foreign)
            throw new IOException($"{foreign} is there without {KindFile}, so it is somebody else's and saving would destroy it; nothing was changed. Choose another folder, or move the file away.");
    }

    /// <summary>Notes in an existing folder that its model reads bytes (<see cref="ByteTokenizer"/>).</summary>
    public static void SaveBytes(string folder) => WriteKind(folder, new(ByteKind, null));

    /// <summary>Whether a folder holds a tokenizer, whole or not.</summary>
    internal static bool IsIn(string folder) => new[] { KindFile, PublishedTokenizer.JsonFile, PublishedTokenizer.ModelFile, VocabularyFile }.Any(name => File.Exists(Path.Combine(folder, name)));

    /// <summary>The file that decides which tokenizer a folder holds; the folder where there is none.</summary>
    internal static string PathIn(string folder) =>
        new[] { KindFile, PublishedTokenizer.JsonFile, PublishedTokenizer.ModelFile, VocabularyFile }.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) ?? folder;

    /// <summary>Makes the tokenizer that a folder holds.</summary>
    /// <remarks>
    /// Of a published folder, <c>tokenizer.json</c> decides how text becomes ids and what stands around it (not <c>add_bos_token</c> in
    /// <c>tokenizer_config.json</c>); truncation and padding in it are settings of batches and have no effect. Which tokens begin and end a text is what
    /// <c>bos_token</c> and <c>eos_token</c> in <c>tokenizer_config.json</c> say, or else those in <c>special_tokens_map.json</c>. A <c>tokenizer.model</c>
    /// says itself which these are, unless those files do; they stand around a text where <c>add_bos_token</c> and
    /// <c>add_eos_token</c> are set, the former also where <c>tokenizer_class</c> is LLaMA's or Gemma's and it is not said. Through
    /// <see cref="ModelTokenizer.Tokenizer"/> text is plain text; <see cref="ModelTokenizer.Encode"/> has the rest as options.
    /// </remarks>
    /// <exception cref="TokenizerException">There is none, or a file is malformed.</exception>
    public static ModelTokenizer Load(string folder) => AtomicFolder.Read(folder, files, LoadWhole);

    /// <summary>Loads the tokenizer of a folder for a model of some size.</summary>
    internal static ModelTokenizer Load(string folder, long vocabSize)
    {
        var tokenizer = Load(folder);
        CheckFit(tokenizer, vocabSize, folder);
        return tokenizer;
    }

    /// <summary>Refuses a tokenizer with more ids than the model of a folder has.</summary>
    internal static void CheckFit(ModelTokenizer tokenizer, long vocabSize, string folder)
    {
        if (tokenizer.VocabSize > vocabSize)
        {
            throw new TokenizerException(
                PathIn(folder),
                FormattableString.Invariant($"the tokenizer has {tokenizer.VocabSize} ids and the model {nameof(LanguageModelOptions.VocabSize)} = {vocabSize} (vocab_size in config.json), so what the ids from {vocabSize} on stand for has no embedding; take the tokenizer that was published with these weights, or remove its added tokens from {vocabSize} on."));
        }
    }

    private static ModelTokenizer LoadWhole(string folder)
    {
        var path = Path.Combine(folder, KindFile);
        if (File.Exists(path))
        {
            var kind = Parse<TokenizerKind>(path);
            return kind.Kind switch
            {
                ByteKind => ModelTokenizer.Bytes,
                BytePairKind => Create(folder, LoadVocabulary(folder, kind.EndOfText)),
                _ => throw new TokenizerException(path, $"kind '{kind.Kind}' is unknown; known are {ByteKind} and {BytePairKind}."),
            };
        }
        if (PublishedTokenizer.Load(folder, Bytes) is { } published)
            return published;
        if (!File.Exists(Path.Combine(folder, VocabularyFile)))
            throw new TokenizerException(folder, $"the folder holds no tokenizer; it needs {PublishedTokenizer.JsonFile}, {PublishedTokenizer.ModelFile}, {VocabularyFile} and {MergesFile}, or {KindFile}.");
        return Create(folder, LoadVocabulary(folder, null, UsualEndOfText));
    }

    /// <summary>Reads <c>vocab.json</c> and <c>merges.txt</c>.</summary>
    /// <param name="folder">The folder that holds both.</param>
    /// <param name="endOfText">The entry that separates documents, which must be there; null for none.</param>
    /// <exception cref="TokenizerException">A file is missing or malformed.</exception>
    public static BytePairVocabulary LoadVocabulary(string folder, string? endOfText) => LoadVocabulary(folder, endOfText, null);

    private static BytePairVocabulary LoadVocabulary(string folder, string? endOfText, string? optionalEndOfText)
    {
        var path = Path.Combine(folder, VocabularyFile);
        var entries = Parse<Dictionary<string, int>>(path);
        CheckIds(path, entries);
        var merges = ReadMerges(Path.Combine(folder, MergesFile), entries);
        try
        {
            endOfText ??= optionalEndOfText is not null && entries.ContainsKey(optionalEndOfText) ? optionalEndOfText : null;
            return new BytePairVocabulary(entries, merges, endOfText);
        }
        catch (ArgumentException failure)
        {
            throw new TokenizerException(path, failure.Message, failure);
        }
    }

    private static ModelTokenizer Create(string folder, BytePairVocabulary vocabulary)
    {
        try
        {
            return vocabulary.CreateTokenizer();
        }
        catch (Exception failure) when (failure is ArgumentException or InvalidOperationException or KeyNotFoundException or IndexOutOfRangeException or FormatException)
        {
            throw new TokenizerException(Path.Combine(folder, VocabularyFile), $"no tokenizer can be made of it: {failure.Message}", failure);
        }
    }

    private static void CheckIds(string path, Dictionary<string, int> entries)
    {
        var taken = new Dictionary<int, string>();
        foreach (var (entry, id) in entries)
        {
            if (!taken.TryAdd(id, entry))
                throw new TokenizerException(path, $"'{entry}' and '{taken[id]}' both have the id {id}.");
        }
    }

    private static List<string> ReadMerges(string path, Dictionary<string, int> entries)
    {
        var merges = new List<string>();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        var number = 0;
        foreach (var line in ReadLines(path))
        {
            number++;
            if (line.Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
                continue;
            if (BytePairVocabulary.Fault(entries, line) is { } fault)
                throw new TokenizerException($"{path}:{number}", fault);
            if (!places.TryAdd(line, number))
                throw new TokenizerException($"{path}:{number}", $"the merge '{line}' stands in line {places[line]} already.");
            merges.Add(line);
        }
        return merges;
    }

    private static string[] ReadLines(string path)
    {
        try
        {
            return Utf8.GetString(Bytes(path).Span).Replace("\r\n", "\n", StringComparison.Ordinal).Split('\n', '\r');
        }
        catch (DecoderFallbackException failure)
        {
            throw new TokenizerException(path, $"the file is not UTF-8: {failure.Message}", failure);
        }
    }

    private static ReadOnlyMemory<byte> Bytes(string path)
    {
        if (!File.Exists(path))
            throw new TokenizerException(path, $"the file is missing; a byte-pair tokenizer needs {VocabularyFile} and {MergesFile}.");
        if (InputFile.Fault(path) is { } fault)
            throw new TokenizerException(path, $"{fault}.");
        try
        {
            var bytes = File.ReadAllBytes(path);
            return bytes.AsSpan().StartsWith("\ufeff"u8) ? bytes.AsMemory(3) : bytes;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException(path, $"the file cannot be read: {failure.Message}", failure);
        }
    }

    private static T Parse<T>(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(Bytes(path).Span, Json) ?? throw new TokenizerException(path, "the file holds null.");
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or ArgumentException or NotSupportedException)
        {
            throw new TokenizerException(path, $"the file is not the JSON it should be: {failure.Message}", failure);
        }
    }

    private static void WriteKind(string folder, TokenizerKind kind) =>
        AtomicFile.WriteText(Path.Combine(folder, KindFile), JsonSerializer.Serialize(kind, Json) + "\n");
}

/// <summary>What <c>lmkit_tokenizer.json</c> holds.</summary>
internal sealed record TokenizerKind(
    [property: JsonPropertyName("kind")] string Kind,
    [property: JsonPropertyName("end_of_text")] string? EndOfText);
