using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Copies named tensors into a module's parameters and buffers, all of them or none.</summary>
/// <remarks>Shapes must be equal, never merely broadcastable. Names are those of the module's state dictionary.</remarks>
public static class CheckpointLoader
{
    /// <summary>Loads tensors that are in memory; they stay the caller's.</summary>
    /// <param name="module">The module that receives the values, on whatever device it lies.</param>
    /// <param name="tensors">One tensor for each parameter and buffer.</param>
    /// <param name="allowCast">Converts element types instead of refusing them.</param>
    /// <exception cref="CheckpointMismatchException">Something is missing, unexpected, or of another shape or type.</exception>
    public static void Load(nn.Module module, IReadOnlyDictionary<string, Tensor> tensors, bool allowCast = false)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(tensors);
        var targets = ModuleTensors.Of(module);
        Check("The checkpoint", targets, tensors, allowCast);
        using var unrecorded = no_grad();
        foreach (var (name, target) in targets)
            target.copy_(tensors[name]);
        IPreparedWeights.ForgetAll(module);
    }

    /// <summary>Loads a safetensors file, or the several that an index names, one tensor in memory at a time unless <paramref name="map"/>
    /// rearranges them.</summary>
    /// <param name="module">The module that receives the values, on whatever device it lies.</param>
    /// <param name="path">The safetensors file, or an index whose name ends in <c>.index.json</c>.</param>
    /// <param name="map">Turns the file's published names into ours; null when the file has ours.</param>
    /// <param name="allowCast">Converts element types instead of refusing them.</param>
    /// <exception cref="CheckpointMismatchException">Something is missing, unexpected, or of another shape or type.</exception>
    /// <exception cref="SafetensorsException">The file breaks its format, or holds a needed tensor of a type that is not computed
    /// on.</exception>
    public static void Load(nn.Module module, string path, KeyMap? map = null, bool allowCast = false)
    {
        ArgumentNullException.ThrowIfNull(module);
        using var files = CheckpointFiles.Open(path);
        Load(module, files, map, allowCast);
    }

    internal static void Load(nn.Module module, CheckpointFiles files, KeyMap? map, bool allowCast)
    {
        using var scope = NewDisposeScope();
        if (map is not null)
        {
            Load(module, map.ToOurs(files.ReadAll(map.Omits)), allowCast);
            return;
        }
        _ = Fill(module, ModuleTensors.Of(module), files, allowCast, stopsAtFirst: false);
    }

    /// <summary>Loads a module that nobody uses yet; the first name with values that are not finite, at which it stops, or null.</summary>
    /// <param name="module">The module.</param>
    /// <param name="files">The files.</param>
    /// <param name="allowCast">Converts element types instead of refusing them.</param>
    /// <param name="targets">The module's tensors by the files' names; null for the module's own names.</param>
    internal static string? LoadFinite(nn.Module module, CheckpointFiles files, bool allowCast, IReadOnlyDictionary<string, Tensor>? targets = null)
    {
        using var scope = NewDisposeScope();
        return Fill(module, targets ?? ModuleTensors.Of(module), files, allowCast, stopsAtFirst: true);
    }

    /// <summary>Compares a module with the headers of files and reads no values, so that the module may be on the meta device.</summary>
    /// <inheritdoc cref="LoadFinite"/>
    internal static void Check(nn.Module module, CheckpointFiles files, bool allowCast, IReadOnlyDictionary<string, Tensor>? targets)
    {
        using var scope = NewDisposeScope();
        Check(targets ?? ModuleTensors.Of(module), files, allowCast);
    }

    private static void Check(IReadOnlyDictionary<string, Tensor> targets, CheckpointFiles files, bool allowCast) =>
        Check(files.Path, targets, files.Entries.ToDictionary(entry => entry.Name, entry => new Found(entry.ScalarType, entry.Dtype, entry.Shape)), allowCast);

    // Numbers go from the file straight into the module's memory. What can still be wrong with a file whose header fits are truth values,
    // so they are read before anything is written.
    private static string? Fill(nn.Module module, IReadOnlyDictionary<string, Tensor> targets, CheckpointFiles files, bool allowCast, bool stopsAtFirst)
    {
        Check(targets, files, allowCast);
        var truths = files.Entries.Where(entry => entry.ScalarType == ScalarType.Bool).ToDictionary(entry => entry.Name, entry => files.Read(entry.Name));
        using var unrecorded = no_grad();
        foreach (var (name, target) in targets)
        {
            if (truths.TryGetValue(name, out var truth))
                target.copy_(truth);
            else if (!files.ReadInto(name, target) && stopsAtFirst)
                return name;
        }
        IPreparedWeights.ForgetAll(module);
        return null;
    }

    /// <summary>Lists every difference of names, shapes and types between what is wanted and what there is.</summary>
    /// <param name="source">What is checked, for the error.</param>
    /// <param name="targets">What is wanted.</param>
    /// <param name="found">What there is.</param>
    /// <param name="allowCast">Lets element types differ.</param>
    /// <exception cref="CheckpointMismatchException">There is one.</exception>
    public static void Check(string source, IReadOnlyDictionary<string, Tensor> targets, IReadOnlyDictionary<string, Tensor> found, bool allowCast = false)
    {
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(found);
        foreach (var (name, tensor) in targets)
            TensorCheck.CheckAlive(tensor, name, source);
        foreach (var (name, tensor) in found)
            TensorCheck.CheckValues(tensor, name, source);
        Check(source, targets, found.ToDictionary(pair => pair.Key, pair => new Found(pair.Value.dtype, pair.Value.dtype.ToString(), pair.Value.shape)), allowCast);
    }

    private static void Check(string source, IReadOnlyDictionary<string, Tensor> targets, Dictionary<string, Found> found, bool allowCast)
    {
        var shared = targets.Where(target => found.ContainsKey(target.Key)).OrderBy(target => target.Key, StringComparer.Ordinal).ToArray();
        var missing = targets.Keys.Where(name => !found.ContainsKey(name)).Order(StringComparer.Ordinal).ToArray();
        var unexpected = found.Keys.Where(name => !targets.ContainsKey(name)).Order(StringComparer.Ordinal).ToArray();
        var wrongShape = shared
            .Where(target => !target.Value.shape.SequenceEqual(found[target.Key].Shape))
            .Select(target => new TensorMismatch(target.Key, Text(target.Value.shape), Text(found[target.Key].Shape)))
            .ToArray();
        var wrongDtype = shared
            .Where(target => (!allowCast || !found[target.Key].IsReadable) && target.Value.dtype != found[target.Key].Type)
            .Select(target => new TensorMismatch(target.Key, target.Value.dtype.ToString(), found[target.Key].Said))
            .ToArray();
        if (missing.Length + unexpected.Length + wrongShape.Length + wrongDtype.Length > 0)
            throw new CheckpointMismatchException(source, missing, unexpected, wrongShape, wrongDtype);
    }

    private sealed record Found(ScalarType Type, string Dtype, IReadOnlyList<long> Shape)
    {
        internal bool IsReadable => Type != SafetensorsTypes.None;

        internal string Said => IsReadable ? Type.ToString() : $"{SafetensorsException.Shown(Dtype)}, which is not computed on (convert it where the file was made)";
    }

    private static string Text(IEnumerable<long> shape) => $"({string.Join(", ", shape)})";
}

/// <summary>A training checkpoint is damaged: cut short, altered, of the wrong form, or holding values that are not finite.</summary>
/// <remarks>One that is whole but belongs to another run is refused by <see cref="CheckpointMismatchException"/> instead.</remarks>
public sealed class CheckpointException : IOException
{
    /// <summary>Makes the exception from the file or folder, the tensor that the fault concerns (null for the whole file) and the fault.</summary>
    public CheckpointException(string path, string? tensorName, string fault, Exception? innerException = null)
        : base(tensorName is null ? $"{path}: {fault}" : $"{path}: tensor '{tensorName}': {fault}", innerException)
    {
        FilePath = path;
        TensorName = tensorName;
        Fault = fault;
    }

    internal string Fault { get; }

    /// <summary>The file or folder that was refused.</summary>
    public string FilePath { get; }

    /// <summary>The tensor that the fault concerns, or null when it concerns the whole file.</summary>
    public string? TensorName { get; }
}

/// <summary>The tensors of a module that a checkpoint holds.</summary>
public static class ModuleTensors
{
    /// <summary>A module's parameters and persistent buffers by name, which <see cref="CheckpointLoader"/> loads again.</summary>
    /// <remarks>The tensors are the module's own, not copies: they stay the module's and change with it.</remarks>
    public static IReadOnlyDictionary<string, Tensor> Of(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        return module.state_dict();
    }

    /// <summary>The name of a floating tensor with a value that is not finite, or null.</summary>
    public static string? FirstNotFinite(IReadOnlyDictionary<string, Tensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        foreach (var (name, tensor) in tensors)
            TensorCheck.CheckAlive(tensor, name, nameof(ModuleTensors));
        using var frozen = no_grad();
        return tensors.FirstOrDefault(pair => !FiniteNumbers.All(pair.Value)).Key;
    }
}
