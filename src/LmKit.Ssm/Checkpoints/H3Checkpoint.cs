using System.Collections.Immutable;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A published H3 model file: finds its layout and sizes, reports on it, and makes a model of it.</summary>
/// <remarks>Reads safetensors, and PyTorch's <c>.pt</c>, <c>.bin</c> and <c>.ckpt</c> without running what they ask for. Sizes and
/// attention layers come from names and shapes. Holds all tensors until disposed; not thread-safe.</remarks>
public sealed partial class H3Checkpoint : IDisposable
{
    private const string Head = "lm_head.weight";

    // A file may keep frequencies in half precision.
    private const double FrequencyTolerance = 1e-2;

    private readonly Dictionary<string, Tensor> tensors;
    private readonly string source;

    private H3Checkpoint(string source, Dictionary<string, Tensor> tensors)
    {
        this.source = source;
        this.tensors = tensors;
        Layout = tensors.ContainsKey("s4seq.encoder.norm.weight") ? H3CheckpointLayout.Legacy : H3CheckpointLayout.Published;
        Sizes = ReadSizes();
    }

    /// <summary>The file's layout.</summary>
    public H3CheckpointLayout Layout { get; }

    /// <summary>The sizes that its shapes say; the heads of attention are not among them and stand as 1.</summary>
    public H3Preset Sizes { get; }

    private string Root => Layout == H3CheckpointLayout.Legacy ? "s4seq.encoder" : "backbone";

    /// <summary>Opens a file.</summary>
    /// <exception cref="CheckpointMismatchException">It is no H3 model: what tells the sizes is missing.</exception>
    public static H3Checkpoint Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        InputFile.Check(path, (problem, cause) => new SafetensorsException(path, null, problem, cause));
        if (!path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            return Take(path, PickleReader.ReadTensors(path));
        using var reader = new SafetensorsReader(path);
        return Take(path, reader.ReadAll());
    }

    /// <summary>Takes tensors by their published names; copies nothing, and they stay the caller's.</summary>
    /// <exception cref="CheckpointMismatchException">They are no H3 model: what tells the sizes is missing.</exception>
    public static H3Checkpoint FromTensors(IReadOnlyDictionary<string, Tensor> published)
    {
        ArgumentNullException.ThrowIfNull(published);
        foreach (var (name, tensor) in published)
            TensorCheck.CheckValues(tensor, name, nameof(H3Checkpoint));
        return Take("The checkpoint", published.ToDictionary(pair => pair.Key, pair => pair.Value.alias()));
    }

    /// <summary>Compares the file with a published model, or with what its own shapes say.</summary>
    /// <param name="preset">The model it should be; null for <see cref="Sizes"/>.</param>
    public H3CheckpointReport Validate(H3Preset? preset = null)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var model = preset ?? Sizes;
        var faults = new List<string>();
        if (!model.AttentionLayers.SequenceEqual(Sizes.AttentionLayers))
            faults.Add($"attention layers are [{string.Join(", ", Sizes.AttentionLayers)}] by Wqkv; {model.Name} has [{string.Join(", ", model.AttentionLayers)}]");
        faults.AddRange(RotaryFaults(model));
        if (model.AttentionLayers.Length > 0 && model.ModelDim % model.HeadCount != 0)
            faults.Add($"{model.HeadCount} heads do not divide the width {model.ModelDim}");
        if (Mismatch(model) is { } mismatch)
        {
            faults.AddRange(mismatch.Missing.Select(name => $"{name} is missing"));
            faults.AddRange(mismatch.WrongShape.Select(fault => $"{fault.Name} is {fault.Found}; {fault.Expected} is wanted"));
            faults.AddRange(mismatch.Unexpected.Select(name => $"{name} is not part of the model"));
        }
        faults.AddRange(tensors.Where(pair => ModuleTensors.FirstNotFinite(new Dictionary<string, Tensor> { [pair.Key] = pair.Value }) is not null)
            .Select(pair => $"{pair.Key} holds values that are not finite"));
        if (tensors.TryGetValue(Head, out var head) && !head.Equals(tensors[Embedding]))
            faults.Add($"{Head} differs from the embedding, with which it should be tied");
        return new H3CheckpointReport(source, Layout, model, tensors.Where(pair => IsTrained(pair.Key)).Sum(pair => pair.Value.numel()), head is not null, faults);
    }

    /// <summary>Makes the model of a preset with the file's weights.</summary>
    /// <param name="preset">The model; must agree with the file.</param>
    /// <param name="dtype">Dtype of the parameters; state spaces stay in float32 at least.</param>
    /// <param name="device">Where; the CPU by default.</param>
    /// <returns>The model, in evaluation mode; the caller's.</returns>
    /// <exception cref="CheckpointMismatchException">The file does not fit; every tensor is listed.</exception>
    /// <exception cref="ArgumentException">A tensor is not finite, or the head is not the embedding.</exception>
    public LanguageModel Load(H3Preset preset, ScalarType dtype = ScalarType.Float32, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(preset);
        using var scope = NewDisposeScope();
        if (Mismatch(preset) is { } mismatch)
            throw mismatch;
        var builder = preset.CreateBuilder();
        var model = LanguageModel.Build(builder.Config, builder.Kinds, device, dtype, initializes: false);
        try
        {
            CheckpointLoader.Load(model, Map().ToOurs(tensors), allowCast: true);
            var report = Validate(preset);
            if (!report.IsValid)
                throw new ArgumentException($"{source} does not make a model: {string.Join("; ", report.Faults)}.");
        }
        catch
        {
            model.Dispose();
            throw;
        }
        return model;
    }

    /// <summary>Makes the model that the file's shapes say.</summary>
    /// <param name="headCount">Heads of the attention layers, which no file records.</param>
    /// <param name="rotaryDim">Features of each head that rotary turns; null for what the file's frequencies say, with which a number must agree.</param>
    /// <param name="dtype">Dtype of the parameters; state spaces stay in float32 at least.</param>
    /// <param name="device">Where; the CPU by default.</param>
    /// <inheritdoc cref="Load(H3Preset, ScalarType, Device)"/>
    public LanguageModel Load(int headCount, long? rotaryDim = null, ScalarType dtype = ScalarType.Float32, Device? device = null) =>
        Load(Sizes with { HeadCount = headCount, RotaryDim = rotaryDim ?? Sizes.RotaryDim }, dtype, device);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in tensors.Values)
            tensor.Dispose();
    }

    private static H3Checkpoint Take(string source, Dictionary<string, Tensor> all)
    {
        try
        {
            // A training checkpoint keeps the model under state_dict, beside its optimizer.
            var isNested = all.Keys.Any(name => name.StartsWith("state_dict.", StringComparison.Ordinal));
            var kept = new Dictionary<string, Tensor>(StringComparer.Ordinal);
            foreach (var (name, tensor) in all)
            {
                tensor.DetachFromDisposeScope();
                if (isNested && !name.StartsWith("state_dict.", StringComparison.Ordinal))
                    tensor.Dispose();
                else
                    kept.Add(Wrapping().Replace(name, string.Empty), tensor);
            }
            return new H3Checkpoint(source, kept);
        }
        catch
        {
            foreach (var tensor in all.Values)
                tensor.Dispose();
            throw;
        }
    }

    private string Embedding => Layout == H3CheckpointLayout.Legacy ? "embedding.weight" : "backbone.embeddings.word_embeddings.weight";

    // What a model wants and what the file has, by the file's own names; null where they agree.
    private CheckpointMismatchException? Mismatch(H3Preset model)
    {
        var wanted = model.TensorShapes().ToDictionary(pair => OwnName(pair.Key, model), pair => pair.Value);
        string[] missing = [.. wanted.Keys.Where(name => !tensors.ContainsKey(name)).Order(StringComparer.Ordinal)];
        string[] unexpected = [.. tensors.Keys.Where(name => IsTrained(name) && !wanted.ContainsKey(name)).Order(StringComparer.Ordinal)];
        TensorMismatch[] shapes =
        [
            .. from pair in wanted
               where tensors.ContainsKey(pair.Key) && !tensors[pair.Key].shape.SequenceEqual(pair.Value)
               orderby pair.Key
               select new TensorMismatch(pair.Key, $"({string.Join(", ", pair.Value)})", $"({string.Join(", ", tensors[pair.Key].shape)})"),
        ];
        return missing.Length + unexpected.Length + shapes.Length == 0 ? null : new CheckpointMismatchException(source, missing, unexpected, shapes, []);
    }

    // A published name in the file's layout.
    private string OwnName(string published, H3Preset model)
    {
        if (Layout == H3CheckpointLayout.Published)
            return published;
        using var scope = NewDisposeScope();
        var ours = H3KeyMap.Published(model.AttentionLayers).ToOurs(new Dictionary<string, Tensor> { [published] = empty(0) });
        return H3KeyMap.Legacy(model.LayerCount, model.AttentionLayers).ToPublished(ours).Keys.Single();
    }

    // The head is the embedding, and frequencies follow from their number.
    private bool IsTrained(string name) => name != Head && !Sizes.AttentionLayers.Any(layer => name == Frequencies(layer));

    private KeyMap Map() => Layout == H3CheckpointLayout.Legacy ? H3KeyMap.Legacy(Sizes.LayerCount, Sizes.AttentionLayers) : H3KeyMap.Published(Sizes.AttentionLayers);

    private H3Preset ReadSizes()
    {
        var layers = tensors.Keys.Select(name => LayerName().Match(name)).Where(match => match.Success && match.Groups[1].Value == Root)
            .Select(match => match.Groups[2].Value).ToHashSet(StringComparer.Ordinal);
        var layerCount = layers.Count;
        // As many numbers as layers, so a stray one leaves a gap below it.
        if (Enumerable.Range(0, layerCount).Select(layer => FormattableString.Invariant($"{layer}")).FirstOrDefault(layer => !layers.Contains(layer)) is { } absent)
            throw new CheckpointMismatchException(source, [$"{Root}.layers.{absent}"], [], [], []);
        var attention = Enumerable.Range(0, layerCount).Where(layer => tensors.ContainsKey($"{Root}.layers.{layer}.mixer.Wqkv.weight")).ToImmutableArray();
        var embedding = Shape(Embedding, 2);
        var mlp = Shape($"{Root}.layers.0.mlp.fc1.weight", 2);
        var preset = new H3Preset("its own shapes", layerCount, embedding[1], 1, attention, VocabSize: embedding[0], MlpDim: mlp[0], VocabMultiple: 1);
        if (attention.Length > 0 && tensors.TryGetValue(Frequencies(attention[0]), out var frequencies))
            preset = preset with { RotaryDim = 2 * frequencies.numel() };
        if (attention.Length == layerCount)
            return preset;
        var first = $"{Root}.layers.{Enumerable.Range(0, layerCount).First(layer => !attention.Contains(layer))}.mixer";
        return preset with
        {
            StateDim = 2 * Shape($"{first}.kernel.kernel.C", 4)[2],
            ShiftDim = Shape($"{first}.ssm_k_kernel.kernel.B", 2)[1],
            HeadDim = Math.Max(1, embedding[1] / Math.Max(1, Shape($"{first}.D", 1)[0])),
        };
    }

    private string Frequencies(int layer) => $"{Root}.layers.{layer}.mixer.rotary_emb.inv_freq";

    // Rotary has no parameters: frequencies tell whether attention turned, by how much, and from which base.
    private IEnumerable<string> RotaryFaults(H3Preset model)
    {
        if (model.AttentionLayers.Length > 0 && model.RotaryDim != Sizes.RotaryDim)
            yield return $"attention turns {Sizes.RotaryDim} features of a head by rotary_emb.inv_freq (0 without any); {model.Name} turns {model.RotaryDim}";
        foreach (var layer in Sizes.AttentionLayers)
        {
            var found = tensors.GetValueOrDefault(Frequencies(layer));
            var count = Sizes.RotaryDim / 2;
            if ((found?.numel() ?? 0) != count)
            {
                yield return $"{Frequencies(layer)} holds {found?.numel() ?? 0} frequencies; the first attention layer has {count}";
            }
            else if (found is not null && count > 0)
            {
                var wanted = H3KeyMap.Frequencies(Sizes.RotaryDim).to(found.device);
                if (!found.to(ScalarType.Float32).reshape(-1).allclose(wanted, rtol: FrequencyTolerance, atol: 0))
                    yield return $"{Frequencies(layer)} is not {H3KeyMap.RotaryBase:0}^(-2t/{Sizes.RotaryDim}), by which rotary turns here";
            }
        }
    }

    private long[] Shape(string name, int rank) => tensors.TryGetValue(name, out var tensor) && tensor.dim() == rank
        ? tensor.shape
        : throw new CheckpointMismatchException($"{source}, read as an H3 model of the {(Layout == H3CheckpointLayout.Legacy ? "legacy" : "published")} layout,", [name], [], [], []);

    [GeneratedRegex(@"^(state_dict\.)?(model\.)?")]
    private static partial Regex Wrapping();

    [GeneratedRegex(@"^(.*)\.layers\.([0-9]+)\.")]
    private static partial Regex LayerName();
}
