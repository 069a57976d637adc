using System.Text.Json;

namespace LmKit;

/// <summary>A <c>tokenizer.json</c> in parts: the two tables of its model as they stand in the file, and the rest, in which they are empty.</summary>
/// <remarks>The tables are nearly all of the file; read in place they need no document.</remarks>
internal readonly struct TokenizerTables
{
    private const int DeepestNesting = 64;

    private readonly ReadOnlyMemory<byte> vocabulary;
    private readonly ReadOnlyMemory<byte> merges;

    private TokenizerTables(ReadOnlyMemory<byte> vocabulary, ReadOnlyMemory<byte> merges, ReadOnlyMemory<byte> rest) =>
        (this.vocabulary, this.merges, Rest) = (vocabulary, merges, rest);

    /// <summary>The file without what its tables hold.</summary>
    internal ReadOnlyMemory<byte> Rest { get; }

    /// <summary>Most likely no fewer entries than the vocabulary has.</summary>
    internal int VocabularyCapacity => vocabulary.Length / 20;

    internal static JsonDocumentOptions Options => new() { MaxDepth = DeepestNesting };

    /// <summary>Takes a file apart.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    internal static TokenizerTables Cut(ReadOnlyMemory<byte> file)
    {
        ReadOnlyMemory<byte> vocabulary = default;
        ReadOnlyMemory<byte> merges = default;
        using var rest = new MemoryStream();
        var (taken, isInModel) = (0, false);
        var reader = Reader(file);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth > 2)
                continue;
            if (reader.CurrentDepth == 1)
                isInModel = reader.ValueTextEquals("model"u8);
            var isVocabulary = reader.ValueTextEquals("vocab"u8);
            if (!isInModel || reader.CurrentDepth != 2 || !(isVocabulary || reader.ValueTextEquals("merges"u8)))
                continue;
            _ = reader.Read();
            if (reader.TokenType is not (JsonTokenType.StartArray or JsonTokenType.StartObject))
                continue;
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            var end = (int)reader.BytesConsumed;
            (isVocabulary ? ref vocabulary : ref merges) = file[start..end];
            rest.Write(file.Span[taken..(start + 1)]);
            taken = end - 1;
        }
        rest.Write(file.Span[taken..]);
        return new TokenizerTables(vocabulary, merges, rest.ToArray());
    }

    /// <summary>The vocabulary's values from its first bracket on, which is there.</summary>
    internal Utf8JsonReader ReadVocabulary() => Begin(vocabulary);

    /// <summary>The merges' values from their first bracket on, which is there.</summary>
    internal Utf8JsonReader ReadMerges() => Begin(merges);

    private static Utf8JsonReader Begin(ReadOnlyMemory<byte> part)
    {
        var reader = Reader(part);
        _ = reader.Read();
        return reader;
    }

    private static Utf8JsonReader Reader(ReadOnlyMemory<byte> bytes) => new(bytes.Span, new JsonReaderOptions { MaxDepth = DeepestNesting });
}
