using System.Text.Encodings.Web;
using System.Text.Json;

namespace LmKit;

/// <summary>Lines of a journal or data set; one that no record is as long as is refused.</summary>
internal static class JournalLines
{
    private const int Longest = 8 << 20;

    /// <summary>The lines from where the file stands, without their ends; the last may lack its end.</summary>
    internal static IEnumerable<(byte[] Bytes, bool IsWhole)> Read(FileStream file, string path) =>
        FileLines.Read(file, Longest, number => new DatasetException($"{path}:{number}", $"the line has more than {Longest} bytes, which no record has. Restore the file."));

    /// <summary>The records of a whole file, one at a time.</summary>
    internal static IEnumerable<TRecord> Records<TRecord>(string path, string refusal)
        where TRecord : class, IJournalRecord
    {
        if (InputFile.Fault(path) is { } fault)
            throw new DatasetException(path, $"{fault}.");
        return Iterate();

        IEnumerable<TRecord> Iterate()
        {
            using var file = InputFile.Open(path, (problem, cause) => new DatasetException(path, $"{problem}.", cause), bufferSize: 0);
            var number = 0;
            foreach (var (bytes, _) in Read(file, path))
            {
                number++;
                yield return JournalJson.Parse<TRecord>(Content(bytes, isFirst: number == 1), out var problem) ?? throw new DatasetException($"{path}:{number}", $"{refusal}: {problem}.");
            }
        }
    }

    // What editors add: a byte-order mark, and the carriage returns of Windows.
    private static ReadOnlySpan<byte> Content(ReadOnlySpan<byte> line, bool isFirst)
    {
        if (isFirst && line.StartsWith("\uFEFF"u8))
            line = line[3..];
        return line is [.., (byte)'\r'] ? line[..^1] : line;
    }
}

/// <summary>How journals, manifests and reports are written: UTF-8, snake case, one line, or indented for people.</summary>
internal static class JournalJson
{
    internal static readonly JsonSerializerOptions Layout = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        AllowDuplicateProperties = false,
    };

    internal static readonly JsonSerializerOptions Indented = new(Layout) { WriteIndented = true, NewLine = "\n" };

    /// <summary>A line's record, or null when it is none.</summary>
    /// <param name="line">The line.</param>
    /// <param name="problem">What is wrong with it.</param>
    internal static TRecord? Parse<TRecord>(ReadOnlySpan<byte> line, out string problem)
        where TRecord : class, IJournalRecord
    {
        problem = "it is null";
        try
        {
            var record = JsonSerializer.Deserialize<TRecord>(line, Layout);
            problem = record?.Fault ?? problem;
            return record?.Fault is null ? record : null;
        }
        catch (Exception error) when (StrictJson.IsOfReading(error))
        {
            problem = StrictJson.Shown(error.Message);
            return null;
        }
    }
}
