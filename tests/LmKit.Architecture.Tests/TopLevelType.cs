using System.Text.RegularExpressions;

namespace LmKit.Architecture.Tests;

/// <summary>A type declared at the outermost level of a file. File-scoped namespaces put those, and only those, at column 0.</summary>
internal sealed partial record TopLevelType(string Name, bool IsPublic)
{
    internal static IReadOnlyList<TopLevelType> In(string text) =>
        [.. Declaration().Matches(text).Select(match => new TopLevelType(match.Groups["name"].Value, match.Groups["modifiers"].Value.Contains("public", StringComparison.Ordinal)))];

    [GeneratedRegex(
        @"^(?<modifiers>(?:(?:public|internal|file|static|sealed|abstract|partial|readonly|ref|unsafe)\s+)*)(?:(?:record\s+)?(?:class|struct)|record|interface|enum|delegate\s+[\w<>\[\],.?() ]+?)\s+(?<name>[A-Z]\w*)(?=[\s<(:;{]|$)",
        RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
