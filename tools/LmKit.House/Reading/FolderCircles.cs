using Microsoft.CodeAnalysis;

namespace LmKit.House;

/// <summary>Circles between the folders of a package: folders from each of which arrows lead to all the others and back.</summary>
/// <remarks>A folder that holds files is a point. An arrow is a use of a type by a type of another folder.</remarks>
internal static class FolderCircles
{
    /// <summary>Every circle, its folders in order; the package's root is called "(root)".</summary>
    internal static IReadOnlyList<IReadOnlyList<string>> In(Package package, IEnumerable<TypeUse> uses)
    {
        var arrows = uses.Select(use => (From: Name(package.FolderOf(use.From)), To: Name(package.FolderOf(use.To)))).Where(arrow => arrow.From != arrow.To).ToHashSet();
        var reach = Reach(arrows);
        return [.. reach.Keys.Where(folder => reach[folder].Contains(folder))
            .Select(folder => (IReadOnlyList<string>)[.. reach[folder].Where(other => reach[other].Contains(folder)).Order(StringComparer.Ordinal)])
            .DistinctBy(circle => string.Join('|', circle))
            .OrderBy(circle => circle[0], StringComparer.Ordinal)];
    }

    /// <summary>The arrows between folders of one circle, each with one use that makes it.</summary>
    internal static IEnumerable<string> Describe(Package package, IEnumerable<TypeUse> uses, IReadOnlyList<string> circle) =>
        from use in uses
        let arrow = (From: Name(package.FolderOf(use.From)), To: Name(package.FolderOf(use.To)))
        where arrow.From != arrow.To && circle.Contains(arrow.From) && circle.Contains(arrow.To)
        group use by arrow into same
        orderby same.Key.From, same.Key.To
        select $"{same.Key.From} -> {same.Key.To}: {string.Join(", ", same.Select(use => $"{use.From.Name} -> {use.To.Name}").Distinct().Order(StringComparer.Ordinal).Take(4))}";

    private static string Name(string folder) => folder.Length == 0 ? "(root)" : folder;

    // From each folder all those that some way of arrows leads to.
    private static Dictionary<string, HashSet<string>> Reach(HashSet<(string From, string To)> arrows)
    {
        var next = arrows.ToLookup(arrow => arrow.From, arrow => arrow.To);
        var reach = new Dictionary<string, HashSet<string>>();
        foreach (var start in arrows.SelectMany(arrow => new[] { arrow.From, arrow.To }).Distinct())
        {
            var seen = reach[start] = [];
            var open = new Stack<string>(next[start]);
            while (open.TryPop(out var folder))
            {
                if (seen.Add(folder))
                {
                    foreach (var further in next[folder])
                        open.Push(further);
                }
            }
        }
        return reach;
    }
}
