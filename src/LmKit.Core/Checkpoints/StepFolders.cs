using System.Globalization;

namespace LmKit;

/// <summary>A run's checkpoints below one root: <c>step-00000100/</c> and so on, written whole or not at all, the newest two kept.</summary>
/// <remarks>A folder is this run's kind of checkpoint when it holds the header file; every other folder and file below the root is let
/// be, and so is a checkpoint into which somebody put a file of their own: it stays when later ones come. Not thread-safe.</remarks>
/// <param name="root">The root; made when the first checkpoint is saved.</param>
/// <param name="headerFile">Name of the file that each checkpoint of this kind holds.</param>
public sealed class StepFolders(string root, string headerFile)
{
    private const string Prefix = "step-";
    private const int Kept = 2;

    /// <summary>Writes a step's checkpoint, in the place of one of the same step, and removes all but the newest two.</summary>
    /// <param name="step">The step.</param>
    /// <param name="fill">Writes the header file and the others into the folder that it is given.</param>
    /// <returns>The checkpoint's folder.</returns>
    /// <exception cref="IOException">The step's folder is there and is something else, or the disk fails; nothing was removed.</exception>
    public string Save(long step, Action<string> fill)
    {
        ArgumentNullException.ThrowIfNull(fill);
        var folder = Path.Combine(root, Prefix + step.ToString("D8", CultureInfo.InvariantCulture));
        Directory.CreateDirectory(root);
        AtomicFolder.CleanAll(root);
        if (Directory.Exists(folder) && !IsCheckpoint(folder))
            throw new IOException($"{folder} is there and holds no {headerFile}, so it is not a checkpoint of this kind of run; choose another checkpoint folder.");
        var own = AtomicFolder.Write(folder, fill, null);
        foreach (var old in All().SkipLast(Kept).Where(old => old != folder)) // an older run may have come further
            AtomicFolder.Remove(old, own);
        return folder;
    }

    /// <summary>The newest complete checkpoint's folder, or null.</summary>
    public string? Latest()
    {
        AtomicFolder.RecoverAll(root);
        return All().LastOrDefault();
    }

    // In this order: a header that a writer moved before the other files is seen together with the writer.
    private bool IsCheckpoint(string folder) => File.Exists(Path.Combine(folder, headerFile)) && !AtomicFolder.IsPending(folder);

    private IEnumerable<string> All() => Directory.Exists(root)
        ? Directory.EnumerateDirectories(root, Prefix + "*")
            .Where(folder => Path.GetFileName(folder).AsSpan(Prefix.Length).IndexOfAnyExceptInRange('0', '9') < 0 && IsCheckpoint(folder))
            .Order(StringComparer.Ordinal)
        : [];
}
