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
    };

    internal static readonly JsonSerializerOptions Indented = new(Layout) { WriteIndented = true, NewLine = "\n" };

    /// <summary>A line's record, or null when it is none.</summary>
    internal static TRecord? Parse<TRecord>(ReadOnlySpan<byte> line)
        where TRecord : class
    {
        try
        {
            return JsonSerializer.Deserialize<TRecord>(line, Layout);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
