using System.Text.Json;

namespace LmKit.Fuzz;

/// <summary>Where a value stands in a JSON text, and its key when it is a member.</summary>
/// <param name="Start">Its first byte.</param>
/// <param name="End">The byte behind it.</param>
/// <param name="Kind">What it begins with.</param>
/// <param name="KeyStart">The first byte of its key; -1 for an element.</param>
/// <param name="KeyEnd">The byte behind its key.</param>
internal readonly record struct JsonSpan(int Start, int End, JsonTokenType Kind, int KeyStart, int KeyEnd)
{
    internal bool IsMember => KeyStart >= 0;

    /// <summary>The values of a text, the outermost last; none where it is no JSON.</summary>
    internal static IReadOnlyList<JsonSpan> Of(byte[] json)
    {
        var found = new List<JsonSpan>();
        var open = new Stack<(int Start, JsonTokenType Kind, int KeyStart, int KeyEnd)>();
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 1000 });
        var (keyStart, keyEnd) = (-1, -1);
        try
        {
            while (reader.Read())
            {
                var (start, end) = ((int)reader.TokenStartIndex, (int)reader.BytesConsumed);
                switch (reader.TokenType)
                {
                    case JsonTokenType.PropertyName:
                        (keyStart, keyEnd) = (start, json.AsSpan(start + 1, end - start - 1).LastIndexOf((byte)'"') + start + 2);
                        continue;
                    case JsonTokenType.StartObject or JsonTokenType.StartArray:
                        open.Push((start, reader.TokenType, keyStart, keyEnd));
                        break;
                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        var begun = open.Pop();
                        found.Add(new(begun.Start, end, begun.Kind, begun.KeyStart, begun.KeyEnd));
                        break;
                    default:
                        found.Add(new(start, end, reader.TokenType, keyStart, keyEnd));
                        break;
                }
                (keyStart, keyEnd) = (-1, -1);
            }
        }
        catch (JsonException)
        {
            return [];
        }
        return found;
    }
}
