using static TorchSharp.torch;

namespace LmKit;

/// <summary>A run's training checkpoints: <c>step-00000100/</c> with a header and one safetensors file a part; all trainers use it.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class RunCheckpoints
{
    private const string Ending = ".safetensors";

    private readonly string root;
    private readonly string headerFile;
    private readonly IReadOnlyCollection<string> required;
    private readonly IReadOnlyCollection<string> known;
    private readonly StepFolders folders;

    /// <summary>Makes it for a root folder.</summary>
    /// <param name="root">Where the checkpoints are.</param>
    /// <param name="headerFile">Name of the header's file.</param>
    /// <param name="required">The parts that a checkpoint of this run has.</param>
    /// <param name="optional">Parts that it may have besides.</param>
    internal RunCheckpoints(string root, string headerFile, IReadOnlyCollection<string> required, IReadOnlyCollection<string>? optional = null)
    {
        (this.root, this.headerFile, this.required) = (root, headerFile, required);
        known = [.. required, .. optional ?? []];
        folders = new StepFolders(root, headerFile, [.. known.Select(part => part + Ending)]);
    }

    /// <summary>Writes a checkpoint, all of it or nothing, and keeps the one before it too.</summary>
    /// <param name="header">The header; its hashes are made here.</param>
    /// <param name="parts">The tensors.</param>
    /// <param name="spared">Earlier steps whose checkpoints stay too.</param>
    /// <returns>The checkpoint's folder.</returns>
    /// <exception cref="TrainingDivergedException">A value is not finite; the checkpoints that are there stay.</exception>
    internal string Save(RunHeader header, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> parts, IReadOnlyCollection<long>? spared = null)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(parts);
        foreach (var (part, tensors) in parts)
        {
            if (ModuleTensors.FirstNotFinite(tensors) is { } name)
                throw new TrainingDivergedException(header.Step, $"'{name}' of the {part}", Latest());
        }
        return folders.Save(header.Step, target =>
        {
            foreach (var (part, tensors) in parts)
                SafetensorsWriter.Save(Path.Combine(target, part + Ending), tensors);
            AtomicFile.WriteText(Path.Combine(target, headerFile), (header with { Hashes = parts.ToDictionary(part => part.Key, part => ContentHash.Of(part.Value)) }).ToJson());
        },
        folder => IsOfAnotherRun(folder, header.Identity),
        spared ?? []);
    }

    /// <summary>The newest folder that looks like a whole checkpoint, or null.</summary>
    internal string? Latest() => folders.Latest();

    /// <summary>Whether there is a checkpoint of a step, whole or not.</summary>
    internal bool Has(long step) => folders.NewestFirst().Any(entry => entry.Step == step);

    /// <summary>Reads the newest checkpoint that is whole.</summary>
    /// <param name="mine">What the run that asks is.</param>
    /// <param name="maxStep">The last step that the run can have.</param>
    /// <returns>Null when there is no checkpoint at all.</returns>
    /// <exception cref="CheckpointMismatchException">The newest one whose header can be read is of another run or format.</exception>
    /// <exception cref="CheckpointException">There are checkpoints, and every one is damaged; names them all.</exception>
    internal RunCheckpoint? Open(RunIdentity mine, long maxStep = long.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(mine);
        var damaged = new List<DamagedCheckpoint>();
        var errors = new List<CheckpointException>();
        foreach (var (folder, step) in folders.NewestFirst())
        {
            try
            {
                return Read(folder, step, mine, maxStep, damaged);
            }
            catch (CheckpointException error)
            {
                damaged.Add(new DamagedCheckpoint(folder, error.Message));
                errors.Add(error);
            }
        }
        return errors.Count == 0 ? null : throw AllDamaged(errors);
    }

    /// <summary>Reads the checkpoint of one step.</summary>
    /// <returns>Null when there is none.</returns>
    /// <inheritdoc cref="Open(RunIdentity, long)"/>
    internal RunCheckpoint? Open(RunIdentity mine, long maxStep, long step) =>
        folders.NewestFirst().Where(entry => entry.Step == step).Select(entry => Read(entry.Folder, step, mine, maxStep, [])).FirstOrDefault();

    /// <summary>Refuses tensors that are not what a header says, naming the file and where it can the tensor.</summary>
    /// <exception cref="CheckpointException">A value is not finite, or the bytes are others.</exception>
    internal static void CheckContent(string file, IReadOnlyDictionary<string, Tensor> tensors, string hash)
    {
        if (ModuleTensors.FirstNotFinite(tensors) is { } name)
            throw new CheckpointException(file, name, "it holds a value that is not finite.");
        if (ContentHash.Of(tensors) is var found && found != hash)
            throw new CheckpointException(file, null, $"its tensors have the SHA-256 {found}, the header says {hash}: the file was changed after it was written.");
    }

    private CheckpointException AllDamaged(List<CheckpointException> errors)
    {
        var newest = errors[0];
        var others = string.Concat(errors.Skip(1).Select(error => $" {error.Message}"));
        return new CheckpointException(
            newest.FilePath,
            newest.TensorName,
            $"{newest.Fault} No checkpoint in {root} can be read, and the run does not start again from nothing; put a whole one back, or choose another folder.{others}",
            newest);
    }

    // Damaged ones are nobody's: their step may be written anew.
    private bool IsOfAnotherRun(string folder, RunIdentity mine)
    {
        try
        {
            mine.Check(folder, RunHeader.Read(Path.Combine(folder, headerFile)).Identity);
            return false;
        }
        catch (CheckpointMismatchException)
        {
            return true;
        }
        catch (CheckpointException)
        {
            return false;
        }
    }

    private RunCheckpoint Read(string folder, long step, RunIdentity mine, long maxStep, IReadOnlyList<DamagedCheckpoint> damaged)
    {
        var header = ReadHeader(folder, step, mine, maxStep);
        return new RunCheckpoint(header, ReadParts(folder, header), new ResumeReport(folder, step, damaged));
    }

    private RunHeader ReadHeader(string folder, long step, RunIdentity mine, long maxStep)
    {
        var path = Path.Combine(folder, headerFile);
        if (!File.Exists(path))
            throw new CheckpointException(path, null, $"the header is missing{OtherHeader(folder)}.");
        var header = RunHeader.Read(path);
        if (header.Step != step)
            throw new CheckpointException(path, null, $"'step' is {header.Step}, the folder's name says {step}.");
        mine.Check(folder, header.Identity);
        if (header.Hashes.Keys.Except(known).FirstOrDefault() is { } unknown)
            throw new CheckpointException(path, null, $"it names the part '{Shortened(unknown)}'; the parts of this run are {string.Join(", ", known)}.");
        if (required.Except(header.Hashes.Keys).FirstOrDefault() is { } lacking)
            throw new CheckpointException(path, null, $"it lacks the part '{lacking}'.");
        if (header.Step > maxStep)
            throw new CheckpointException(path, null, $"'step' is {header.Step}; this run ends at {maxStep}.");
        return header;
    }

    // Earlier versions named the headers of some runs otherwise.
    private static string OtherHeader(string folder) => Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).FirstOrDefault() is { } other
        ? $"; {Path.GetFileName(other)} is not one of this version of LmKit, and checkpoints of other versions cannot be resumed"
        : string.Empty;

    private static Dictionary<string, IReadOnlyDictionary<string, Tensor>> ReadParts(string folder, RunHeader header)
    {
        using var scope = NewDisposeScope();
        var parts = new Dictionary<string, IReadOnlyDictionary<string, Tensor>>();
        foreach (var (part, hash) in header.Hashes)
        {
            var file = Path.Combine(folder, part + Ending);
            try
            {
                using var reader = new SafetensorsReader(file);
                parts[part] = reader.ReadAll();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new CheckpointException(file, (error as SafetensorsException)?.TensorName, $"the part cannot be read: {error.Message}", error);
            }
            CheckContent(file, parts[part], hash);
        }
        foreach (var tensor in parts.Values.SelectMany(part => part.Values))
            tensor.MoveToOuterDisposeScope();
        return parts;
    }

    private static string Shortened(string name) => name.Length > 60 ? name[..60] + "..." : name;
}

/// <summary>A training checkpoint that was read whole and belongs to the run that asked for it.</summary>
/// <param name="Header">What it says.</param>
/// <param name="Parts">Its tensors by part and name, finite all of them; they belong to the caller's scope.</param>
/// <param name="Report">Where it was found and what was passed over.</param>
internal sealed record RunCheckpoint(RunHeader Header, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> Parts, ResumeReport Report);

/// <summary>A checkpoint that could not be read.</summary>
/// <param name="Folder">Its folder, which stays as it is until a run writes that step again.</param>
/// <param name="Reason">What is wrong with it, with the file's and where it can the tensor's name.</param>
public sealed record DamagedCheckpoint(string Folder, string Reason);

/// <summary>What resuming found.</summary>
/// <param name="Folder">The checkpoint that was taken.</param>
/// <param name="Step">Its step.</param>
/// <param name="Damaged">Newer checkpoints that could not be read and were passed over, newest first; empty when all is well.</param>
public sealed record ResumeReport(string Folder, long Step, IReadOnlyList<DamagedCheckpoint> Damaged);

/// <summary>Training met a loss or gradient that is not finite; parameters are as after the last good step.</summary>
/// <param name="step">The step that failed, from 1.</param>
/// <param name="quantity">What was not finite.</param>
/// <param name="checkpoint">The last good checkpoint, or null.</param>
public sealed class TrainingDivergedException(long step, string quantity, string? checkpoint)
    : Exception($"The {quantity} of step {step} is not finite. Lower the learning rate or look at the data. "
        + (checkpoint is null ? "No checkpoint was kept." : $"The last good checkpoint is {checkpoint}."))
{
    /// <summary>The step that failed, from 1.</summary>
    public long Step { get; } = step;

    /// <summary>The last good checkpoint, or null.</summary>
    public string? Checkpoint { get; } = checkpoint;
}
