using System.IO.MemoryMappedFiles;

namespace LmKit.Fuzz;

/// <summary>Where a worker stands, in a file that its parent sees while it works and after it died.</summary>
internal sealed class Progress : IDisposable
{
    private const int Fields = 4;
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;

    private Progress(MemoryMappedFile file)
    {
        this.file = file;
        view = file.CreateViewAccessor();
    }

    /// <summary>The case at hand; -1 for none.</summary>
    internal long Index
    {
        get => view.ReadInt64(0);
        set => view.Write(0, value);
    }

    /// <summary>The worker's processor time when the case began, in ticks.</summary>
    internal long Started
    {
        get => view.ReadInt64(8);
        set => view.Write(8, value);
    }

    /// <summary>The clock when the case began, in ticks.</summary>
    internal long StartedAt
    {
        get => view.ReadInt64(16);
        set => view.Write(16, value);
    }

    /// <summary>What the case may take at its peak, in bytes of the whole process.</summary>
    internal long MostMemory
    {
        get => view.ReadInt64(24);
        set => view.Write(24, value);
    }

    internal static Progress Open(string path)
    {
        if (!File.Exists(path))
            File.WriteAllBytes(path, new byte[8 * (Fields + Enum.GetValues<Outcome>().Length)]);
        return new Progress(MemoryMappedFile.CreateFromFile(path, FileMode.Open));
    }

    /// <summary>Cases that ended so.</summary>
    internal long Count(Outcome outcome) => view.ReadInt64(8 * (Fields + (int)outcome));

    internal void Add(Outcome outcome) => view.Write(8 * (Fields + (int)outcome), Count(outcome) + 1);

    internal void Clear()
    {
        foreach (var outcome in Enum.GetValues<Outcome>())
            view.Write(8 * (Fields + (int)outcome), 0L);
        Index = -1;
    }

    public void Dispose()
    {
        view.Dispose();
        file.Dispose();
    }
}
