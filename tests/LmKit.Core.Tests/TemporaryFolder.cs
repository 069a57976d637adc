namespace LmKit.Core.Tests;

internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("lmkit-test-");

    internal string this[string name] => System.IO.Path.Combine(folder.FullName, name);

    internal string Path => folder.FullName;

    internal string[] Names => [.. folder.GetFileSystemInfos().Select(item => item.Name).Order()];

    public void Dispose() => folder.Delete(recursive: true);
}
