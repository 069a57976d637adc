namespace LmKit;

/// <summary>The evaluated arguments of a filter, test, method or macro.</summary>
internal sealed record TemplateCall(string Name, IReadOnlyList<object?> Positional, IReadOnlyDictionary<string, object?> Named)
{
    internal object? Get(int index, string name, object? otherwise = null) =>
        index < Positional.Count ? Positional[index] : Named.TryGetValue(name, out var value) ? value : otherwise;

    internal string Text(int index, string name, string otherwise) => Get(index, name) is { } value ? TemplateValues.Text(value).Text : otherwise;

    internal MarkedText Marked(int index, string name) =>
        Get(index, name) is { } value ? TemplateValues.Text(value) : throw new TemplateException($"{Name} needs the argument '{name}'.");
}
