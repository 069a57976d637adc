using System.Globalization;

namespace LmKit;

/// <summary>A run's checkpoints below one root: <c>step-00000100/</c> and so on, written whole or not at all, the newest and the one before it kept.</summary>
/// <remarks>A folder is this run's kind of checkpoint when it holds the header file, or has lost it and holds one of this kind's other
/// files; every other folder and file below the root is let be, and so is a checkpoint into which somebody put a file of their own: it stays
/// when later ones come. Not thread-safe.</remarks>
/// <param name="root">The root; made when the first checkpoint is saved.</param>
/// <param name="headerFile">Name of the file that each checkpoint of this kind holds.</param>
/// <param name="otherFiles">Names of the other files that one may hold; null when a folder without header is never this kind's.</param>
internal sealed class StepFolders(string root, string headerFile, IReadOnlyCollection<string>? otherFiles = null)
{
    private const string Prefix = "step-";

    /// <summary>Writes a step's checkpoint, in the place of one of the same step, and removes all earlier ones but the last of them.</summary>
    /// <param name="step">The step.</param>
    /// <param name="fill">Writes the header file and the others into the folder that it is given.</param>
    /// <returns>The checkpoint's folder.</returns>
    /// <exception cref="IOException">The step's folder is there and is something else, or the disk fails; nothing was removed.</exception>
    internal string Save(long step, Action<string> fill) => Save(step, fill, _ => false, []);

    /// <summary>The same where several runs of one kind share a root: what belongs to another one is neither removed nor replaced.</summary>
    /// <param name="step">The step.</param>
    /// <param name="fill">Writes the files.</param>
    /// <param name="isOfAnotherRun">Whether a checkpoint belongs to another run.</param>
    /// <param name="spared">Earlier steps that stay too.</param>
    internal string Save(long step, Action<string> fill, Func<string, bool> isOfAnotherRun, IReadOnlyCollection<long> spared)
    {
        ArgumentNullException.ThrowIfNull(fill);
        var folder = Path.Combine(root, Prefix + step.ToString("D8", CultureInfo.InvariantCulture));
        Directory.CreateDirectory(root);
        AtomicFolder.CleanAll(root);
        if (Directory.Exists(folder) && !IsOwn(folder))
            throw new IOException($"{folder} is there and holds no {headerFile}, so it is not a checkpoint of this kind of run; choose another checkpoint folder.");
        if (IsCheckpoint(folder) && isOfAnotherRun(folder))
            throw new IOException($"{folder} is a checkpoint of another run, and saving would replace it; resume that run, or choose another checkpoint folder.");
        var own = AtomicFolder.Write(folder, fill, null);
        // The one before stays too. Later steps are let be: an older run may have come further, or they are damaged.
        foreach (var (old, _) in Steps().Where(entry => entry.Step < step && IsCheckpoint(entry.Folder) && !isOfAnotherRun(entry.Folder)).SkipLast(1).Where(entry => !spared.Contains(entry.Step)).ToArray())
            AtomicFolder.Remove(old, own);
        return folder;
    }

    /// <summary>The newest complete checkpoint's folder, or null.</summary>
    internal string? Latest()
    {
        AtomicFolder.RecoverAll(root);
        return All().LastOrDefault();
    }

    /// <summary>All checkpoint folders of this kind with their steps, newest first, those that lost their header among them.</summary>
    internal IReadOnlyList<(string Folder, long Step)> NewestFirst()
    {
        AtomicFolder.RecoverAll(root);
        return [.. Steps().Where(entry => IsOwn(entry.Folder)).Reverse()];
    }

    // In this order: a header that a writer moved before the other files is seen together with the writer.
    private bool IsCheckpoint(string folder) => File.Exists(Path.Combine(folder, headerFile)) && !AtomicFolder.IsPending(folder);

    private bool IsOwn(string folder) => IsCheckpoint(folder)
        || (otherFiles is not null && Directory.EnumerateFileSystemEntries(folder).Select(entry => Path.GetFileName(entry)).Any(name => name == headerFile || otherFiles.Contains(name)));

    private IEnumerable<string> All() => Steps().Select(entry => entry.Folder).Where(IsCheckpoint);

    // By number: a folder's name grows longer at a hundred million steps.
    private IEnumerable<(string Folder, long Step)> Steps() => Directory.Exists(root)
        ? Directory.EnumerateDirectories(root, Prefix + "*")
            .Select(folder => (Folder: folder, Step: StepOf(Path.GetFileName(folder))))
            .Where(entry => entry.Step >= 0)
            .OrderBy(entry => entry.Step)
        : [];

    private static long StepOf(string name) =>
        long.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var step) ? step : -1;
}
