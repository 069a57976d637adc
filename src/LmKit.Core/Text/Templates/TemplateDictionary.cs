namespace LmKit;

/// <summary>A mapping of a template, in the order in which its keys came.</summary>
/// <remarks>Keys are texts, numbers, booleans and none, equal as in Python: 1, 1.0 and true are one key.</remarks>
internal sealed class TemplateDictionary
{
    private const int BytesOfAnEntry = 64;
    private static readonly object None = new();

    private static readonly Dictionary<object, int> NoPlaces = [];
    private static readonly List<(object? Key, object? Value)> NoEntries = [];

    private Dictionary<object, int> places = NoPlaces; // a mapping without members, of which there may be many, holds nothing
    private List<(object? Key, object? Value)> entries = NoEntries;

    internal int Count => entries.Count;

    internal IReadOnlyList<(object? Key, object? Value)> Entries => entries;

    internal void Set(object? key, object? value, TemplateBudget budget)
    {
        var known = Known(key, budget);
        if (places.TryGetValue(known, out var place))
        {
            entries[place] = (entries[place].Key, value);
            return;
        }
        budget.Items(1, entries.Count == 0 ? 4 * BytesOfAnEntry : BytesOfAnEntry);
        Open();
        places[known] = entries.Count;
        entries.Add((key, value));
    }

    /// <summary>Adds a member that comes from outside the template, which has no budget for it.</summary>
    internal void Add(string name, object? value)
    {
        Open();
        places.Add(MarkedText.Of(name, false), entries.Count);
        entries.Add((MarkedText.Of(name, false), value));
    }

    internal bool TryGet(object? key, TemplateBudget budget, out object? value)
    {
        var isFound = places.TryGetValue(Known(key, budget), out var place);
        value = isFound ? entries[place].Value : null;
        return isFound;
    }

    internal bool TryGet(string name, out object? value)
    {
        var isFound = places.TryGetValue(MarkedText.Trusted(name), out var place);
        value = isFound ? entries[place].Value : null;
        return isFound;
    }

    internal static TemplateDictionary Of(TemplateBudget budget, params ReadOnlySpan<(string Name, object? Value)> members)
    {
        var made = new TemplateDictionary();
        foreach (var (name, value) in members)
            made.Set(MarkedText.Of(name, false), value, budget);
        return made;
    }

    internal static bool IsKey(object? value) => value is null or MarkedText or bool or long or double;

    private void Open()
    {
        if (entries.Count == 0)
            (places, entries) = (new(TemplateKeyComparer.Instance), []);
    }

    private static object Known(object? key, TemplateBudget budget)
    {
        budget.Read(key is MarkedText text ? text.Length : 1);
        return IsKey(key) ? key ?? None : throw new TemplateException($"{TemplateValues.Kind(key)} is no key of a mapping; keys are texts, numbers, booleans and none.");
    }
}

/// <summary>Equality of the keys of mappings and of what <c>unique</c> tells apart.</summary>
internal sealed class TemplateKeyComparer : IEqualityComparer<object>
{
    internal static readonly TemplateKeyComparer Instance = new();

    public new bool Equals(object? left, object? right) => (left, right) switch
    {
        (MarkedText a, MarkedText b) => a.Text == b.Text,
        (bool or long or double, bool or long or double) => TemplateNumbers.Compare(left, right) == 0,
        _ => ReferenceEquals(left, right),
    };

    // Both kinds of hash depend on a secret of the process, so that no template can make keys collide.
    public int GetHashCode(object key) => key switch
    {
        MarkedText text => text.Text.GetHashCode(StringComparison.Ordinal),
        bool flag => HashCode.Combine(flag ? 1L : 0L),
        long whole => HashCode.Combine(whole),
        double number when number == Math.Floor(number) && Math.Abs(number) < 9.2e18 => HashCode.Combine((long)number),
        double number => HashCode.Combine(number),
        _ => 0,
    };
}
