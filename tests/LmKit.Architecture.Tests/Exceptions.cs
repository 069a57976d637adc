namespace LmKit.Architecture.Tests;

/// <summary>A committed list of known offences, one a line: what offends, and with a colon before it the reason where the list asks for one.</summary>
/// <remarks>An offence that is not listed fails, and so does an entry that no longer offends: lists only get shorter by themselves.</remarks>
internal static class Exceptions
{
    /// <summary>The lines of a file beside the tests, comments (#) and blank ones apart.</summary>
    internal static IReadOnlyList<string> Read(string name) =>
        [.. Repository.Read($"tests/LmKit.Architecture.Tests/{name}").Lines.Where(line => line.Length > 0 && line[0] != '#')];

    /// <summary>What is wrong with offences beside a list of the form "package: what: reason".</summary>
    internal static IEnumerable<string> Compare(IEnumerable<(string Package, string What)> offences, IEnumerable<string> entries)
    {
        var found = offences.Select(offence => $"{offence.Package}: {offence.What}").ToHashSet();
        var listed = new HashSet<string>();
        foreach (var entry in entries)
        {
            var parts = entry.Split(": ", 3);
            var key = parts.Length == 3 ? $"{parts[0]}: {parts[1]}" : entry;
            if (parts.Length != 3 || parts[2].Trim().Length == 0)
                yield return $"{entry} (an entry is `package: what: reason`)";
            else if (!listed.Add(key))
                yield return $"{key} (listed twice)";
            else if (!found.Contains(key))
                yield return $"{key} (listed, but it no longer applies: delete the entry)";
        }
        foreach (var offence in found.Except(listed).Order(StringComparer.Ordinal))
            yield return offence;
    }
}
