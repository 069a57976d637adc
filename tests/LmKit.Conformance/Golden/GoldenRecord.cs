using System.Text.Json;
using Xunit;

namespace LmKit.Conformance;

/// <summary>One object of a JSON golden file, with a note of each property that a check has looked at.</summary>
/// <param name="owner">File and place, for errors.</param>
/// <param name="value">The object.</param>
public sealed class GoldenRecord(string owner, JsonElement value)
{
    private readonly HashSet<string> read = [];

    internal IEnumerable<string> Unread => value.EnumerateObject().Select(property => property.Name).Where(name => !read.Contains(name)).Select(name => $"{owner}: {name}");

    /// <summary>Whether there is such a property.</summary>
    public bool Has(string name) => value.TryGetProperty(name, out _);

    /// <summary>A property that the check cannot do without.</summary>
    public JsonElement this[string name]
    {
        get
        {
            if (!value.TryGetProperty(name, out var property))
                Assert.Fail($"{owner} has no property '{name}', which its check needs; it has {string.Join(", ", value.EnumerateObject().Select(one => one.Name))}. Write it into the file.");
            _ = read.Add(name);
            return property;
        }
    }

    /// <summary>A text; null for null.</summary>
    public string? Text(string name) => this[name].GetString();

    /// <summary>Names properties that tell what an entry is about and change nothing that the check computes.</summary>
    public void Describe(params string[] names) => read.UnionWith(names);
}
