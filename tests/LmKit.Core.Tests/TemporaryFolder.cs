namespace LmKit.Core.Tests;

internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("lmkit-test-");

    public string this[string name] => System.IO.Path.Combine(folder.FullName, name);

    public string Path => folder.FullName;

    public string[] Names => [.. folder.GetFileSystemInfos().Select(item => item.Name).Order()];

    public void Dispose() => folder.Delete(recursive: true);
}
