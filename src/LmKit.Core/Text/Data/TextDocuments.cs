using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace LmKit;

/// <summary>Reads documents from text files, folders and JSONL files, one at a time.</summary>
/// <remarks>
/// A file whose name ends in .jsonl holds a document a line, in the property "text" of an object; any other file is one
/// document. Text must be UTF-8; a byte-order mark is dropped. The result is read anew at each enumeration.
/// </remarks>
public static class TextDocuments
{
    // A string holds no more letters.
    private const int LongestDocument = 1 << 29;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file, or a folder's .txt, .md and .jsonl files at any depth in ordinal order of their paths.</summary>
    /// <exception cref="TextDataException">Nothing is there, a file is empty or not UTF-8, or a JSONL line has no text.</exception>
    public static IEnumerable<TextDocument> Read(string path) => Read(path, [".txt", ".md", ".jsonl"]);

    /// <summary>Reads a file, or a folder's files that end in one of <paramref name="endings"/>.</summary>
    /// <exception cref="TextDataException">Nothing is there, a file is empty or not UTF-8, or a JSONL line has no text.</exception>
    public static IEnumerable<TextDocument> Read(string path, IReadOnlyCollection<string> endings)
    {
        ArgumentNullException.ThrowIfNull(endings);
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path))
            return ReadFile(path);
        if (!Directory.Exists(path))
            throw new TextDataException(path, "there is no such file or folder.");
        var files = FilesIn(path, endings);
        return files.Length > 0
            ? files.SelectMany(ReadFile)
            : throw new TextDataException(path, $"the folder holds no file that ends in {string.Join(", ", endings)}.");
    }

    /// <summary>Divides documents into those to train on and those to hold out, by a hash of each text and a seed.</summary>
    /// <remarks>Where a text goes does not depend on the others, so it stays there when documents come or go, and the same text twice is never on both
    /// sides. Each part is read anew at each enumeration.</remarks>
    /// <param name="documents">The documents.</param>
    /// <param name="heldOutShare">The chance that a text is held out, between 0 and 1.</param>
    /// <param name="seed">Another seed divides them another way.</param>
    public static (IEnumerable<TextDocument> Training, IEnumerable<TextDocument> HeldOut) Split(IEnumerable<TextDocument> documents, double heldOutShare, long seed = 0)
    {
        ArgumentNullException.ThrowIfNull(documents);
        if (!(heldOutShare is > 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(heldOutShare), heldOutShare, "The share that is held out lies between 0 and 1, both excluded.");
        bool IsHeldOut(TextDocument document) => Chance(document.Text, seed) < heldOutShare;
        return (documents.Where(document => !IsHeldOut(document)), documents.Where(IsHeldOut));
    }

    // The first 53 bits of the hash, as a number in [0, 1).
    private static double Chance(string text, long seed)
    {
        var hash = ContentHash.Of([seed.ToString(CultureInfo.InvariantCulture), text]);
        return (ulong.Parse(hash.AsSpan(0, 16), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> 11) * Math.Pow(2, -53);
    }

    private static string[] FilesIn(string path, IReadOnlyCollection<string> endings)
    {
        try
        {
            return [.. Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
                .Where(file => endings.Any(ending => file.EndsWith(ending, StringComparison.OrdinalIgnoreCase)))
                .Order(StringComparer.Ordinal)];
        }
        catch (UnauthorizedAccessException error)
        {
            throw new TextDataException(path, $"a folder in it may not be read: {error.Message}", error);
        }
    }

    private static IEnumerable<TextDocument> ReadFile(string path)
    {
        if (InputFile.Fault(path) is { } fault)
            throw new TextDataException(path, $"{fault}.");
        return path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase) ? ReadLines(path) : [ReadWhole(path)];
    }

    private static FileStream Open(string path, int bufferSize) =>
        InputFile.Open(path, (problem, cause) => new TextDataException(path, $"{problem}.", cause), bufferSize);

    private static TextDocument ReadWhole(string path)
    {
        using var stream = Open(path, bufferSize: 0);
        if (stream.Length > LongestDocument)
            throw new TextDataException(path, $"the file has {stream.Length} bytes; a document has at most {LongestDocument}. Cut it, or write a document a line into a .jsonl file.");
        try
        {
            using var reader = new StreamReader(stream, Strict);
            var text = reader.ReadToEnd();
            return text.Length > 0 ? new TextDocument(path, text) : throw new TextDataException(path, "the file is empty; remove it.");
        }
        catch (DecoderFallbackException failure)
        {
            throw NotUtf8(path, failure);
        }
    }

    private static IEnumerable<TextDocument> ReadLines(string path)
    {
        using var stream = Open(path, bufferSize: 0);
        var number = 0;
        var isEmpty = true;
        foreach (var (bytes, _) in FileLines.Read(stream, LongestDocument, line => new TextDataException($"{path}:{line}", $"the line has more than {LongestDocument} bytes; a document has at most so many.")))
        {
            number++;
            var start = number == 1 && bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? Encoding.UTF8.Preamble.Length : 0;
            if (bytes.AsSpan(start).IndexOfAnyExcept(" \t\r\v\f"u8) >= 0)
            {
                isEmpty = false;
                yield return Parse($"{path}:{number}", bytes.AsSpan(start));
            }
        }
        if (isEmpty)
            throw new TextDataException(path, "the file holds no line; remove it.");
    }

    private static TextDocument Parse(string place, ReadOnlySpan<byte> line)
    {
        try
        {
            var text = Text(place, Utf8.IsValid(line) ? line : Encoding.UTF8.GetBytes(Strict.GetString(line)));
            return text.Length > 0 ? new TextDocument(place, text) : throw new TextDataException(place, "\"text\" is empty; remove the line.");
        }
        catch (DecoderFallbackException failure)
        {
            throw NotUtf8(place, failure);
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw new TextDataException(place, $"the line is not JSON: {failure.Message}", failure);
        }
    }

    // Only the one member is made into a text.
    private static string Text(string place, ReadOnlySpan<byte> line)
    {
        var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = 64 });
        string? text = null;
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw NoText(place);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isText = reader.ValueTextEquals("text"u8);
            if (isText && text is not null)
                throw new TextDataException(place, "\"text\" stands twice.");
            _ = reader.Read();
            if (isText)
                text = reader.TokenType == JsonTokenType.String ? reader.GetString() : throw NoText(place);
            reader.Skip();
        }
        while (reader.Read())
        {
            // Only blanks may follow; anything else makes the reader throw.
        }
        return text ?? throw NoText(place);
    }

    private static TextDataException NoText(string place) => new(place, "the line is no object with a text in \"text\".");

    private static TextDataException NotUtf8(string path, DecoderFallbackException failure) =>
        new(path, $"the file is not UTF-8 text: {failure.Message} Convert it, or leave it out.", failure);
}

/// <summary>One document of training text.</summary>
/// <param name="Place">Where it comes from: a file, or FILE:LINE.</param>
/// <param name="Text">Its text, not empty.</param>
public sealed record TextDocument(string Place, string Text);

/// <summary>Training text, or a token file made from it, cannot be used; the message names the place and the fault.</summary>
public sealed class TextDataException : IOException
{
    /// <summary>Makes the exception from the place (a file, a folder, FILE:LINE), its fault with the remedy, and the cause.</summary>
    public TextDataException(string place, string fault, Exception? innerException = null)
        : base($"{place}: {fault}", innerException)
    {
    }
}
