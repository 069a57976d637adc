using System.Text.RegularExpressions;

namespace LmKit.Architecture.Tests;

public partial class SourceTextTests
{
    private static readonly string[] bannedNames = ["Utils", "Helpers", "Common", "Misc", "Extensions"];
    private static readonly string[] folders = ["src", "tests", "bench", "samples", "experiments", "tools", "build", ".ci"];

    [Fact]
    public void No_file_or_folder_has_a_name_that_says_nothing() =>
        Offenders.None(
            $"Name the concept; banned: {string.Join(", ", bannedNames)}.",
            folders.SelectMany(folder => Repository.Folders(folder).Concat(Repository.Files(folder, ".cs").Select(file => file.Path)))
                .Where(path => bannedNames.Contains(Path.GetFileName(path).Split('.')[0], StringComparer.OrdinalIgnoreCase)));

    [Fact]
    public void Sources_switch_no_warning_off() => Offenders.None("No #pragma in src: mend the cause or set the rule in .editorconfig with a reason.", Matches(Pragma()));

    [Fact]
    public void Sources_leave_the_old_collections_out() =>
        Offenders.None("`using System.Collections;` makes LmKit.IDictionary ambiguous.", Matches(OldCollections()));

    [Fact]
    public void Sources_leave_nothing_unfinished() => Offenders.None("No TODO and no NotImplementedException.", Matches(Unfinished()));

    [Fact]
    public void Sources_are_plain_ASCII() => Offenders.None(@"Only ASCII in sources: write \u00e9 in a string, spell symbols in comments.", Places(line => line.Any(c => c > '\x7e' || (c < ' ' && c != '\t'))));

    [Fact]
    public void No_line_ends_in_a_blank() => Offenders.None("Trailing blanks.", Places(line => line.EndsWith(' ') || line.EndsWith('\t')));

    private static IEnumerable<string> Matches(Regex banned) =>
        from file in Repository.Files("src", ".cs", ".cu")
        from match in banned.Matches(file.Text)
        select $"{file.Path}:{file.Text.AsSpan(0, match.Index).Count('\n') + 1}: {match.Value.Trim()}";

    private static IEnumerable<string> Places(Func<string, bool> isOffence) =>
        from folder in folders
        from file in Repository.Files(folder, ".cs", ".cu", ".csproj", ".props", ".targets", ".sh", "")
        where !file.IsInFolder("golden")
        from line in file.Lines.Index()
        where isOffence(line.Item)
        select $"{file.Path}:{line.Index + 1}";

    [GeneratedRegex(@"^[ \t]*#[ \t]*pragma[ \t]+warning.*$", RegexOptions.Multiline)]
    private static partial Regex Pragma();

    [GeneratedRegex(@"^[ \t]*(?:global[ \t]+)?using[ \t]+System\.Collections[ \t]*;", RegexOptions.Multiline)]
    private static partial Regex OldCollections();

    [GeneratedRegex(@"\bTODO\b|\bFIXME\b|\bNotImplementedException\b")]
    private static partial Regex Unfinished();
}
