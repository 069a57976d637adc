namespace LmKit.Architecture.Tests;

/// <summary>Fails with the rule and every place that breaks it, so that one run shows all there is to mend.</summary>
internal static class Offenders
{
    internal static void None(string rule, IEnumerable<string> offenders)
    {
        var found = offenders.Distinct().ToList();
        Assert.True(found.Count == 0, $"{rule}\n{found.Count} offender(s):\n  {string.Join("\n  ", found)}");
    }
}
