using System.Text.Encodings.Web;
using System.Text.Json;

namespace LmKit;

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
