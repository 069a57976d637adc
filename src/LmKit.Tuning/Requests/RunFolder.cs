using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>A run's folder: one writer at a time, and one kind of run, which its manifest states before anything else is touched.</summary>
internal sealed class RunFolder : IDisposable
{
    private const string ManifestName = "manifest.json";
    private const string KindName = "kind";

    private readonly FileStream guard;
    private readonly string kind;

    private RunFolder(string path, string kind, string journal, FileStream guard)
    {
        (Path, this.kind, this.guard) = (path, kind, guard);
        (ManifestPath, JournalPath) = (System.IO.Path.Combine(path, ManifestName), System.IO.Path.Combine(path, journal));
        Manifest = Read();
    }

    /// <summary>The folder.</summary>
    internal string Path { get; }

    /// <summary>Where the manifest stands.</summary>
    internal string ManifestPath { get; }

    /// <summary>Where the journal stands.</summary>
    internal string JournalPath { get; }

    /// <summary>What the folder was begun with; null for a new one.</summary>
    internal JsonObject? Manifest { get; private set; }

    /// <summary>Takes a folder for a kind of run.</summary>
    /// <exception cref="DatasetException">Another run writes there, nothing can be written there, or it belongs to another kind of run.</exception>
    internal static RunFolder Enter(string path, string kind, string journal)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        FileStream guard;
        try
        {
            _ = Directory.CreateDirectory(path);
            guard = new FileStream(System.IO.Path.Combine(path, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error) when (InputFile.IsHeldElsewhere(error))
        {
            throw new DatasetException(path, "another run writes here; wait for it, or take another folder.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DatasetException(path, $"nothing can be written here: {error.Message} Take another folder.", error);
        }
        try
        {
            return new RunFolder(path, kind, journal, guard);
        }
        catch
        {
            guard.Dispose();
            throw;
        }
    }

    /// <summary>Writes the manifest of a new folder.</summary>
    internal void Begin(JsonObject manifest)
    {
        manifest.Insert(0, KindName, kind);
        AtomicFile.WriteText(ManifestPath, manifest.ToJsonString(JournalJson.Indented) + "\n");
        Manifest = manifest;
    }

    public void Dispose() => guard.Dispose();

    private JsonObject? Read()
    {
        if (!System.IO.Path.Exists(ManifestPath))
        {
            return !System.IO.Path.Exists(JournalPath)
                ? null
                : throw new DatasetException(ManifestPath, $"there is {System.IO.Path.GetFileName(JournalPath)} without a manifest that says what it belongs to. Restore it, or take another folder.");
        }
        var manifest = StrictJson.ReadObject(ManifestPath, (place, problem, cause) => new DatasetException(ManifestPath, $"it is not the JSON it should be: {place}: {problem}. Restore it, or take another folder.", cause));
        var found = manifest[KindName] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "unknown";
        return found == kind ? manifest : throw new DatasetException(ManifestPath, $"the folder holds a run of kind '{StrictJson.Shown(found)}', not '{kind}'. Take another folder.");
    }
}
