using System.Text.RegularExpressions;

namespace LmKit;

/// <summary>Values for some modules by name pattern, as PEFT resolves them: the first key k with ^(.*\.)?(k)$ wins.</summary>
internal static class LoraPattern
{
    // Patterns come from files of others: an engine without backtracking cannot be made to hang.
    internal static T Resolve<T>(IReadOnlyDictionary<string, T> patterns, string path, T otherwise, string? option = null)
    {
        foreach (var (key, value) in patterns)
        {
            if (Expression(key, $@"^(.*\.)?({key})$", option).IsMatch(path))
                return value;
        }
        return otherwise;
    }

    /// <summary>The same, but a key that is the whole name wins.</summary>
    internal static T ResolveNamed<T>(IReadOnlyDictionary<string, T> patterns, string path, T otherwise, string? option = null) =>
        patterns.TryGetValue(path, out var named) ? named : Resolve(patterns, path, otherwise, option);

    /// <summary>Notes a value under a whole name, unless the patterns give it without.</summary>
    internal static void Note<T>(Dictionary<string, T> patterns, string path, T value, T otherwise)
    {
        _ = patterns.Remove(path);
        if (!EqualityComparer<T>.Default.Equals(Resolve(patterns, path, otherwise), value))
            patterns[path] = value;
    }

    internal static bool IsWholeMatch(string pattern, string path) => Expression(pattern, $"^({pattern})$").IsMatch(path);

    /// <summary>Whether a list names a module: by its whole name or by whole segments at its end.</summary>
    internal static bool IsNamed(IReadOnlyList<string> names, string path) =>
        names.Any(name => path == name || path.EndsWith("." + name, StringComparison.Ordinal));

    /// <summary>The number after the last segment that fits, as PEFT finds a module's layer, or null.</summary>
    /// <param name="patterns">What the segment before the number may be; none for anything.</param>
    /// <param name="path">The module.</param>
    internal static int? LayerOf(IReadOnlyList<string> patterns, string path)
    {
        foreach (var pattern in patterns.Count == 0 ? [@"[^.]*"] : patterns)
        {
            // PEFT's names have a segment before the layers; a model of ours may begin with them.
            var match = Expression(pattern, $@"^(.*\.)?({pattern})\.(?<layer>[0-9]+)\.").Match(path);
            if (match.Success)
                return int.TryParse(match.Groups["layer"].ValueSpan, out var layer) ? layer : null;
        }
        return null;
    }

    internal static void Check(string pattern) => _ = Expression(pattern, $"^({pattern})$");

    private static Regex Expression(string key, string pattern, string? option = null)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new ArgumentException($"{(option is null ? "" : $"{nameof(LoraOptions)}.{option} = ")}'{key}' is not a name pattern that can be used: {error.Message}", nameof(key), error);
        }
    }
}
