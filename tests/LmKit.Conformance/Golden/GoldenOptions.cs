using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace LmKit.Conformance;

/// <summary>The options that a golden file states in its <c>__metadata__</c>, with a note of each that a check has looked at.</summary>
/// <param name="owner">File and kind, or file and entry, for errors.</param>
/// <param name="pairs">The stated pairs.</param>
public sealed partial class GoldenOptions(string owner, IReadOnlyDictionary<string, string> pairs)
{
    // Free text about where a file comes from. Whatever else a file states has to be obeyed, compared or named by the check of its kind.
    private static readonly string[] freeText = ["source", "src", "note", "desc", "what"];

    private readonly HashSet<string> read = [];
    private readonly Dictionary<string, GoldenOptions> nested = [];

    /// <summary>The stated names, in the file's order.</summary>
    public IReadOnlyList<string> Names => [.. pairs.Keys];

    /// <summary>Those that no check has looked at.</summary>
    internal IEnumerable<string> Unread => pairs.Keys.Where(key => !read.Contains(key) && !freeText.Contains(key)).Concat(nested.SelectMany(one => one.Value.Unread.Select(key => $"{one.Key}: {key}")));

    /// <summary>Whether the file states it.</summary>
    public bool Has(string key) => pairs.ContainsKey(key);

    /// <summary>The text of an option that the check cannot do without.</summary>
    public string Text(string key)
    {
        if (!pairs.TryGetValue(key, out var text))
            Assert.Fail($"{owner} states no option '{key}', which its check needs; its options are {(pairs.Count == 0 ? "none" : string.Join(", ", pairs.Keys))}. Write '{key}' into the file's __metadata__.");
        _ = read.Add(key);
        return text!;
    }

    /// <summary>The text of an option, or what its absence means.</summary>
    public string Text(string key, string absent) => Has(key) ? Text(key) : absent;

    /// <summary>A whole number.</summary>
    public long Whole(string key) =>
        long.TryParse(Text(key), CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(key, "a whole number");

    /// <summary>A whole number, or what its absence means; <c>None</c> counts as absence.</summary>
    public long Whole(string key, long absent) => Text(key, "None") == "None" ? absent : Whole(key);

    /// <summary>A number.</summary>
    public double Number(string key) =>
        double.TryParse(Text(key), CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(key, "a number");

    /// <summary>A number, or what its absence means; <c>None</c> counts as absence.</summary>
    public double Number(string key, double absent) => Text(key, "None") == "None" ? absent : Number(key);

    /// <summary>Several numbers between brackets, parentheses or nothing.</summary>
    public double[] Numbers(string key) =>
    [
        .. Text(key).Trim().Trim('[', ']', '(', ')').Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(text => double.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(key, "a list of numbers"))
    ];

    /// <summary>A switch, off when absent unless said otherwise.</summary>
    public bool Flag(string key, bool absent = false) => Text(key, absent ? "1" : "0").ToUpperInvariant() switch
    {
        "1" or "TRUE" => true,
        "0" or "FALSE" => false,
        _ => throw Wrong(key, "True, False, 1 or 0"),
    };

    /// <summary>Requires a stated size or choice to be what shapes, names or the product say; absent is fine.</summary>
    public void Agrees(string key, object value)
    {
        if (!Has(key))
            return;
        var (stated, ours) = (Text(key), Convert.ToString(value, CultureInfo.InvariantCulture)!);
        var isEqual = stated == ours || (double.TryParse(stated, CultureInfo.InvariantCulture, out var left) && double.TryParse(ours, CultureInfo.InvariantCulture, out var right) && left == right);
        Assert.True(isEqual, $"{owner} states {key} = {stated}; its tensors, or the only value that is computed, say {ours}.");
    }

    /// <summary>Names options that tell how a file was made and change nothing that the check computes.</summary>
    public void Describe(params string[] keys) => read.UnionWith(keys);

    /// <summary>An option whose text is itself a dictionary of options, in Python's or JSON's spelling.</summary>
    public GoldenOptions Nested(string key)
    {
        if (!nested.TryGetValue(key, out var options))
            nested[key] = options = new GoldenOptions($"{owner}, {key},", Pair().Matches(Text(key)).ToDictionary(match => match.Groups["key"].Value, match => match.Groups["value"].Value.Trim()));
        return options;
    }

    private Xunit.Sdk.XunitException Wrong(string key, string wanted) => new($"{owner} states {key} = '{pairs[key]}', which is not {wanted}.");

    [GeneratedRegex("""['"](?<key>[^'"]+)['"]\s*:\s*(?:'(?<value>[^']*)'|"(?<value>[^"]*)"|(?<value>[\[(][^\])]*[\])])|(?<value>[^,}]+))""")]
    private static partial Regex Pair();
}
