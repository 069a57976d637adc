using System.Text.RegularExpressions;

namespace LmKit;

/// <summary>Values for some modules by name pattern, as PEFT resolves them: the first key k with ^(.*\.)?(k)$ wins.</summary>
internal static class LoraPattern
{
    // Patterns come from files of others: an engine without backtracking cannot be made to hang.
    internal static T Resolve<T>(IReadOnlyDictionary<string, T> patterns, string path, T otherwise)
    {
        foreach (var (key, value) in patterns)
        {
            if (Expression(key, $@"^(.*\.)?({key})$").IsMatch(path))
                return value;
        }
        return otherwise;
    }

    internal static bool IsWholeMatch(string pattern, string path) => Expression(pattern, $"^({pattern})$").IsMatch(path);

    private static Regex Expression(string key, string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new ArgumentException($"'{key}' is no name pattern that can be used: {error.Message}", nameof(key), error);
        }
    }
}
