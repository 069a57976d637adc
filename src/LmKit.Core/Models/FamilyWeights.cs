using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The weights of a published model between its files and ours: compared, filled in and written by their published names.</summary>
/// <param name="names">The names of this file.</param>
/// <param name="types">The type that the file stores each tensor in.</param>
/// <param name="stored">The type of the whole: the one that most bytes have.</param>
internal sealed class FamilyWeights(PublishedNames names, IReadOnlyDictionary<string, ScalarType> types, ScalarType stored)
{
    internal PublishedNames Names => names;

    /// <summary>The type that most bytes of the file's weights have.</summary>
    internal ScalarType Stored => stored;

    /// <summary>How many weights the file has of each type.</summary>
    internal IEnumerable<(ScalarType Type, int Count)> Types => types.Values.GroupBy(type => type).Select(group => (group.Key, group.Count())).OrderByDescending(group => group.Item2);

    internal static FamilyWeights From(PublishedNames names, CheckpointFiles files)
    {
        var spare = names.Spare.ToHashSet(StringComparer.Ordinal);
        var weights = files.Entries.Where(entry => !spare.Contains(entry.Name)).ToList();
        var stored = weights.Where(entry => TensorCheck.IsFloating(entry.ScalarType)).GroupBy(entry => entry.ScalarType)
            .OrderByDescending(group => group.Sum(entry => entry.ByteCount)).Select(group => (ScalarType?)group.Key).FirstOrDefault();
        return new(names, weights.ToDictionary(entry => entry.Name, entry => entry.ScalarType, StringComparer.Ordinal), stored ?? ScalarType.Float32);
    }

    /// <summary>Compares the file's header with the model's tensors; reads no values, so that the model may be on the meta device.</summary>
    /// <param name="targets">The model's tensors by our names.</param>
    /// <param name="files">The files.</param>
    /// <exception cref="CheckpointMismatchException">They do not fit; lists every difference by its published name.</exception>
    internal void Check(IReadOnlyDictionary<string, Tensor> targets, CheckpointFiles files)
    {
        using var scope = NewDisposeScope();
        var wanted = Shapes(targets);
        var found = files.Entries.Where(entry => types.ContainsKey(entry.Name) && entry.Name != names.TiedHead && !names.Map.Omits(entry.Name)).ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        var shared = wanted.Where(pair => found.ContainsKey(pair.Key)).OrderBy(pair => pair.Key, StringComparer.Ordinal).ToList();
        string[] missing = [.. wanted.Keys.Where(name => !found.ContainsKey(name)).Order(StringComparer.Ordinal)];
        string[] unexpected = [.. found.Keys.Where(name => !wanted.ContainsKey(name)).Order(StringComparer.Ordinal)];
        TensorMismatch[] wrongShape = [.. shared.Where(pair => !pair.Value.AsSpan().SequenceEqual([.. found[pair.Key].Shape])).Select(pair => new TensorMismatch(pair.Key, Text(pair.Value), Text(found[pair.Key].Shape)))];
        TensorMismatch[] wrongType = [.. found.Values.Where(entry => !TensorCheck.IsFloating(entry.ScalarType)).Select(entry => new TensorMismatch(entry.Name, "floating-point numbers", SafetensorsException.Shown(entry.Dtype)))];
        if (missing.Length + unexpected.Length + wrongShape.Length + wrongType.Length > 0)
            throw new CheckpointMismatchException(files.Path, Remedy(missing), missing, unexpected, wrongShape, wrongType);
    }

    private string Remedy(string[] missing) =>
        !names.IsTied && missing.Contains(names.Head) ? $"It has no head '{names.Head}', which config.json wants (tie_word_embeddings is false there or by default); set tie_word_embeddings to true if the head is the embedding '{names.Embedding}', or download the file that has the head."
        : names.IsTied && missing.Contains(names.Embedding) ? $"It has neither the embedding '{names.Embedding}' nor the head '{names.Head}', of which a tied model has one; download it again."
        : "Take config.json and all files of weights of one model, or download them again.";

    /// <summary>Copies the file's values into the model's tensors, which nobody uses yet, one row of the key map at a time.</summary>
    /// <param name="model">The model.</param>
    /// <param name="targets">Its tensors by our names.</param>
    /// <param name="files">The files, which <see cref="Check"/> found to fit.</param>
    /// <exception cref="CheckpointException">A value is not finite, or a tied head is not its embedding; names file and tensor.</exception>
    internal void Fill(LanguageModel model, IReadOnlyDictionary<string, Tensor> targets, CheckpointFiles files)
    {
        using var scope = NewDisposeScope();
        using var unrecorded = no_grad();
        foreach (var use in names.Map.Uses(targets.Keys).OrderBy(use => files[use.Published[0]].File, StringComparer.Ordinal).ThenBy(use => files[use.Published[0]].Address))
        {
            using var one = NewDisposeScope();
            use.Step.Stream([.. use.Published.Select(name => files[name].View())], [.. use.Ours.Select(name => targets[name].detach())], (index, source, target) =>
            {
                if (!MappedCopy.Into(source, target))
                    throw NotFinite(files[use.Published[index]], source, target.dtype);
            });
        }
        if (names.TiedHead is { } head)
            CheckTied(files[head], files[names.Embedding]);
        IPreparedWeights.ForgetAll(model);
    }

    /// <summary>Writes the model's tensors as one safetensors file, one tensor in memory at a time beside the model's own.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">The model.</param>
    /// <param name="isOwnType">Whether the model was loaded in the file's own type, so that each tensor is written in the type it had there.</param>
    internal void Save(string path, LanguageModel model, bool isOwnType)
    {
        using var scope = NewDisposeScope();
        using var unrecorded = no_grad();
        var ours = ModuleTensors.Of(model);
        var pending = new List<PendingTensor>();
        foreach (var use in names.Map.Uses(ours.Keys))
        {
            Tensor[] sources = [.. use.Ours.Select(name => ours[name].detach())];
            var shapes = Shapes(use, sources);
            for (var index = 0; index < use.Published.Length; index++)
            {
                var at = index;
                var (name, shape) = (use.Published[at], shapes[at]);
                pending.Add(new PendingTensor(name, isOwnType ? Type(name, sources) : sources[0].dtype, shape, () => Take(use.Step.ToPublished(sources, use.Published.Length), at)));
            }
        }
        if (names.TiedHead is { } head && pending.Find(tensor => tensor.Name == names.Embedding) is { } embedding)
            pending.Add(embedding with { Name = head, Type = isOwnType ? types.GetValueOrDefault(head, embedding.Type) : embedding.Type });
        SafetensorsWriter.Save(path, pending, new Dictionary<string, string> { ["format"] = "pt" });
    }

    // The file's own type where it can hold the values as they are now, else the model's.
    private ScalarType Type(string name, Tensor[] sources)
    {
        var own = sources[0].dtype;
        if (!types.TryGetValue(name, out var type) || type == own)
            return own;
        return promote_types(type, own) == type || Array.TrueForAll(sources, source => MappedCopy.AreEqual(source, source.to(type))) ? type : own;
    }

    private Dictionary<string, long[]> Shapes(IReadOnlyDictionary<string, Tensor> targets)
    {
        var shapes = new Dictionary<string, long[]>(StringComparer.Ordinal);
        foreach (var use in names.Map.Uses(targets.Keys))
        {
            foreach (var (name, shape) in use.Published.Zip(Shapes(use, [.. use.Ours.Select(name => targets[name])])))
                shapes.Add(name, shape);
        }
        return shapes;
    }

    // Tensors of the meta device have shapes and nothing else.
    private static long[][] Shapes(KeyMapUse use, Tensor[] ours)
    {
        using var scope = NewDisposeScope();
        return [.. use.Step.ToPublished([.. ours.Select(tensor => empty(tensor.shape, ScalarType.Float32, new Device(DeviceType.META)))], use.Published.Length).Select(tensor => tensor.shape)];
    }

    private static Tensor Take(Tensor[] made, int index)
    {
        for (var other = 0; other < made.Length; other++)
        {
            if (other != index)
                made[other].Dispose();
        }
        return made[index];
    }

    private static void CheckTied(StoredTensor head, StoredTensor embedding)
    {
        using var first = head.View();
        using var second = embedding.View();
        if (!MappedCopy.AreEqual(first, second))
        {
            throw new CheckpointException(head.File, head.Entry.Name,
                $"it differs from '{embedding.Entry.Name}', although config.json ties the head to the embedding (tie_word_embeddings, true where it is absent in most families); set tie_word_embeddings to false there if the head has weights of its own");
        }
    }

    private static CheckpointException NotFinite(StoredTensor tensor, Tensor source, ScalarType type) => new(
        tensor.File,
        tensor.Entry.Name,
        source.isfinite().all().item<bool>()
            ? $"it holds values that {type} cannot hold; load it as {ScalarType.Float32} or {ScalarType.BFloat16}"
            : "it holds values that are not finite (NaN or infinity), so no output would be a number; download the file again, or take another checkpoint");

    private static string Text(IEnumerable<long> shape) => $"({string.Join(", ", shape)})";
}
