namespace LmKit.Mutation;

/// <summary>Methods that one writes for another by mistake.</summary>
internal static class NameSwaps
{
    private static readonly (string, string)[] pairs =
    [
        ("lt", "le"), ("gt", "ge"), ("eq", "ne"), ("logical_and", "logical_or"), ("Any", "All"), ("any", "all"), ("Min", "Max"), ("min", "max"),
        ("minimum", "maximum"), ("First", "Last"), ("FirstOrDefault", "LastOrDefault"), ("argmax", "argmin"), ("sin", "cos"), ("add", "sub"),
        ("add_", "sub_"), ("mul", "div"), ("mul_", "div_"), ("Floor", "Ceiling"), ("StartsWith", "EndsWith"), ("IndexOf", "LastIndexOf"),
        ("Union", "Intersect"), ("sum", "mean"), ("ones", "zeros"), ("ones_like", "zeros_like"), ("Skip", "Take"), ("TrimStart", "TrimEnd"),
    ];

    private static readonly Dictionary<string, string> swaps = pairs.Concat(pairs.Select(pair => (pair.Item2, pair.Item1))).ToDictionary(pair => pair.Item1, pair => pair.Item2);

    internal static string? Of(string name) => swaps.GetValueOrDefault(name);
}
