namespace LmKit.Conformance;

/// <summary>A folder of golden data that a law makes up and throws away.</summary>
internal sealed class GoldenFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("lmkit-golden-");
    private readonly string area;

    internal GoldenFolder(string area)
    {
        this.area = area;
        _ = Directory.CreateDirectory(Path.Combine(folder.FullName, area));
    }

    internal GoldenSource Source => new(folder.FullName, true, false);

    internal string this[string name] => Path.Combine(folder.FullName, area, name);

    public void Dispose() => folder.Delete(recursive: true);
}
