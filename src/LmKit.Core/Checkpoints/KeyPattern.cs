using System.Globalization;
using System.Text.RegularExpressions;

namespace LmKit;

/// <summary>A tensor name with numbers in braces, matched and filled in.</summary>
internal sealed partial class KeyPattern
{
    private readonly string pattern;
    private readonly Regex matcher;

    public KeyPattern(string pattern)
    {
        this.pattern = pattern;
        var parts = Placeholder().Split(pattern); // texts and placeholder names alternate
        matcher = new Regex("^" + string.Concat(parts.Select((part, i) => i % 2 == 0 ? Regex.Escape(part) : $"(?<{part}>[0-9]{{1,9}})")) + "$", RegexOptions.CultureInvariant);
    }

    /// <summary>The numbers in <paramref name="name"/>, or null when it does not match.</summary>
    public SortedDictionary<string, int>? Match(string name)
    {
        var match = matcher.Match(name);
        if (!match.Success)
        {
            return null;
        }
        var numbers = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var key in matcher.GetGroupNames().Where(key => key != "0"))
        {
            numbers[key] = int.Parse(match.Groups[key].ValueSpan, CultureInfo.InvariantCulture);
        }
        return numbers;
    }

    /// <summary>The name with <paramref name="numbers"/> filled in; <paramref name="shift"/> is added to l.</summary>
    public string Fill(SortedDictionary<string, int> numbers, int shift) => Placeholder().Replace(pattern, match =>
    {
        var key = match.Groups[1].Value;
        return (numbers[key] + (key == "l" ? shift : 0)).ToString(CultureInfo.InvariantCulture);
    });

    [GeneratedRegex(@"\{([a-z]+)\}")]
    private static partial Regex Placeholder();
}
