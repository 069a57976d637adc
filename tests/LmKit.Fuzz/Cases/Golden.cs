namespace LmKit.Fuzz;

/// <summary>Files that published code made, from the golden vectors of the repository.</summary>
internal static class Golden
{
    internal static string Path(string relative) => System.IO.Path.Combine(CorpusStore.Repository, "tests", "golden", relative);

    internal static void Copy(string relative, string to)
    {
        _ = Directory.CreateDirectory(System.IO.Path.GetDirectoryName(to)!);
        File.WriteAllBytes(to, File.ReadAllBytes(Path(relative)));
    }
}
