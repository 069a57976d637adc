using System.Text;
using System.Text.Json;

namespace LmKit.Fuzz;

/// <summary>Changes of JSON that leave it JSON, or nearly so: other values and types, members twice, gone or renamed, deep nesting.</summary>
internal static class JsonMutations
{
    private static readonly byte[][] Values = [.. new[]
    {
        "null", "true", "false", "0", "-1", "1", "2", "3", "7", "0.5", "-0.0", "1e-999", "1e999", "-1e999", "2147483647", "2147483648", "-2147483649", "4294967296",
        "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551616", "65537", "1000000000", "NaN", "Infinity",
        "\"\"", "\"x\"", "\"0\"", "\"-1\"", "\"NaN\"", "\"\\ud800\"", "\"a\\udc00b\"", "\"\\u0000\"", "\"../../outside\"", "\"/etc/passwd\"", "\"a/b\"", "\"None\"",
        "[]", "{}", "[null]", "[[]]", "[1, 2]", "{\"a\": 1}", "{\"\": null}", "[\"x\", \"x\"]", "[-1]", "[2147483648]",
    }.Select(Encoding.UTF8.GetBytes)];

    private static readonly byte[][] Keys = [.. new[] { "\"\"", "\"x\"", "\"kind\"", "\"type\"", "\"name\"", "\"\\ud800\"", "\"__metadata__\"", "\"\\u0000\"" }.Select(Encoding.UTF8.GetBytes)];

    // What may stand inside a text: halves of letters, escapes, ends of paths, bytes that are no UTF-8.
    private static readonly byte[][] Pieces = [.. new[] { "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\u0000", "\\n", "../", "/", "\\\\", "\\\"", " ", "<|endoftext|>", "*", "(", "[a-" }.Select(Encoding.UTF8.GetBytes), [0xFF], [0xC3], [0xED, 0xA0, 0x80]];

    /// <summary>Changes one place of the text, or some bytes where it is no JSON.</summary>
    internal static byte[] Apply(FuzzRandom random, byte[] json, IReadOnlyList<byte[]> others)
    {
        var spans = JsonSpan.Of(json);
        if (spans.Count == 0)
            return ByteMutations.Apply(random, json, others);
        var span = random.Pick(spans);
        return random.Below(12) switch
        {
            0 or 1 or 2 => ByteMutations.Replaced(json, span.Start, span.End, random.Pick(Values)),
            3 => Removed(json, spans, random),
            4 => Renamed(json, spans, random),
            5 => Doubled(json, spans, random),
            6 => Exchanged(json, spans, random),
            7 => Nested(json, span, random),
            8 or 9 => Text(json, spans, random, others),
            10 => Number(json, spans, random),
            _ => ByteMutations.Replaced(json, span.Start, span.End, Value(json, random.Pick(spans))),
        };
    }

    private static ReadOnlySpan<byte> Value(byte[] json, JsonSpan span) => json.AsSpan(span.Start, span.End - span.Start);

    private static JsonSpan? Member(IReadOnlyList<JsonSpan> spans, FuzzRandom random)
    {
        JsonSpan[] members = [.. spans.Where(span => span.IsMember)];
        return members.Length == 0 ? null : random.Pick(members);
    }

    private static byte[] Removed(byte[] json, IReadOnlyList<JsonSpan> spans, FuzzRandom random)
    {
        var span = Member(spans, random) ?? random.Pick(spans);
        var (start, end) = (span.IsMember ? span.KeyStart : span.Start, span.End);
        while (end < json.Length && char.IsWhiteSpace((char)json[end]))
            end++;
        if (end < json.Length && json[end] == ',')
            return ByteMutations.Replaced(json, start, end + 1, []);
        while (start > 0 && char.IsWhiteSpace((char)json[start - 1]))
            start--;
        return ByteMutations.Replaced(json, start > 0 && json[start - 1] == ',' ? start - 1 : start, span.End, []);
    }

    private static byte[] Renamed(byte[] json, IReadOnlyList<JsonSpan> spans, FuzzRandom random)
    {
        if (Member(spans, random) is not { } span)
            return Removed(json, spans, random);
        var other = Member(spans, random)!.Value;
        return ByteMutations.Replaced(json, span.KeyStart, span.KeyEnd, random.Chance(0.5) ? random.Pick(Keys) : json[other.KeyStart..other.KeyEnd]);
    }

    private static byte[] Doubled(byte[] json, IReadOnlyList<JsonSpan> spans, FuzzRandom random)
    {
        var span = Member(spans, random) ?? random.Pick(spans);
        byte[] key = span.IsMember ? [.. json[span.KeyStart..span.KeyEnd], (byte)':'] : [];
        var value = random.Chance(0.6) ? json[span.Start..span.End] : random.Pick(Values);
        return ByteMutations.Inserted(json, span.End, [(byte)',', .. key, .. value]);
    }

    private static byte[] Exchanged(byte[] json, IReadOnlyList<JsonSpan> spans, FuzzRandom random)
    {
        var (a, b) = (random.Pick(spans), random.Pick(spans));
        if (a.Start > b.Start)
            (a, b) = (b, a);
        return a.End > b.Start
            ? ByteMutations.Replaced(json, a.Start, a.End, Value(json, b))
            : [.. json[..a.Start], .. json[b.Start..b.End], .. json[a.End..b.Start], .. json[a.Start..a.End], .. json[b.End..]];
    }

    private static byte[] Nested(byte[] json, JsonSpan span, FuzzRandom random)
    {
        var depth = random.Pick([1, 2, 8, 63, 64, 65, 200, 2000, 100_000]);
        var isArray = random.Chance(0.6);
        var (open, close) = isArray ? ("[", "]") : ("{\"a\":", "}");
        byte[] before = [.. Enumerable.Repeat(Encoding.ASCII.GetBytes(open), depth).SelectMany(bytes => bytes)];
        byte[] after = [.. Enumerable.Repeat((byte)close[0], random.Chance(0.9) ? depth : 0)];
        return [.. json[..span.Start], .. before, .. json[span.Start..span.End], .. after, .. json[span.End..]];
    }

    private static byte[] Text(byte[] json, IReadOnlyList<JsonSpan> spans, FuzzRandom random, IReadOnlyList<byte[]> others)
    {
        JsonSpan[] texts = [.. spans.Where(span => span.Kind == JsonTokenType.String && span.End - span.Start > 2)];
        if (texts.Length == 0)
            return Renamed(json, spans, random);
        var span = random.Pick(texts);
        var inner = json[(span.Start + 1)..(span.End - 1)];
        if (inner.AsSpan().IndexOf("{%"u8) >= 0 || inner.AsSpan().IndexOf("{{"u8) >= 0)
        {
            var template = JsonSerializer.Deserialize<string>(Value(json, span))!;
            return ByteMutations.Replaced(json, span.Start, span.End, JsonSerializer.SerializeToUtf8Bytes(TemplateMutations.Apply(random, template)));
        }
        inner = random.Below(4) switch
        {
            0 => ByteMutations.Apply(random, inner, others),
            1 => [.. Enumerable.Repeat(inner, random.Pick([2, 3, 100, 1000])).SelectMany(bytes => bytes)],
            _ => ByteMutations.Inserted(inner, random.Below(inner.Length + 1), random.Pick(Pieces)),
        };
        return ByteMutations.Replaced(json, span.Start + 1, span.End - 1, inner);
    }

    private static byte[] Number(byte[] json, IReadOnlyList<JsonSpan> spans, FuzzRandom random)
    {
        JsonSpan[] numbers = [.. spans.Where(span => span.Kind == JsonTokenType.Number)];
        if (numbers.Length == 0)
            return Doubled(json, spans, random);
        var span = random.Pick(numbers);
        var text = Encoding.ASCII.GetString(Value(json, span));
        var number = double.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
        text = random.Below(7) switch
        {
            0 => FormattableString.Invariant($"{number + 1}"),
            1 => FormattableString.Invariant($"{number - 1}"),
            2 => FormattableString.Invariant($"{-number}"),
            3 => text + "000000",
            4 => text + ".5",
            5 => text + "e300",
            _ => "\"" + text + "\"",
        };
        return ByteMutations.Replaced(json, span.Start, span.End, Encoding.ASCII.GetBytes(text));
    }
}
