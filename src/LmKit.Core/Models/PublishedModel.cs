using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A published model that was opened from its Hugging Face folder: an ordinary <see cref="LanguageModel"/>, what the folder says of it, and a
/// way to save it in the same form.</summary>
/// <remarks>Disposing it disposes the model.</remarks>
public sealed class PublishedModel : IDisposable
{
    // Of options and tensors that a description lists.
    private const int MostShown = 100;

    private readonly FamilyWeights weights;
    private readonly PublishedSource source;

    internal PublishedModel(LanguageModel model, PublishedLayout layout, FamilyWeights weights, PublishedSource source) =>
        (Model, Layout, this.weights, this.source) = (model, layout, weights, source);

    /// <summary>The model, in evaluation mode.</summary>
    public LanguageModel Model { get; }

    /// <summary>The folder that it was opened from.</summary>
    public string Folder => source.Folder;

    /// <summary>What the folder's configurations say.</summary>
    public PublishedLayout Layout { get; }

    /// <summary>Tensors of the files that are not weights, such as stored masks and rotary frequencies, or that the index does not name; they were not
    /// read, and a save leaves them out.</summary>
    public IReadOnlyList<string> SpareTensors => source.Spare;

    /// <summary>Opens a folder: <c>config.json</c>, <c>generation_config.json</c> where there is one, and the first there is of
    /// <c>model.safetensors</c>, <c>model.safetensors.index.json</c>, <c>pytorch_model.bin</c> and <c>pytorch_model.bin.index.json</c>.</summary>
    /// <remarks>Files are mapped and their values copied straight into the model's parameters, converted on the way: beside the model, little memory is
    /// used. PyTorch's files are read without running anything they ask for.</remarks>
    /// <param name="folder">The folder.</param>
    /// <param name="change">Changes the model while it is loaded, by the builder's verbs, as <see cref="LanguageModel.Load"/> says; null for none.</param>
    /// <param name="kinds">Adds kinds that the change names by a configuration; null for none.</param>
    /// <param name="device">Where; the CPU by default.</param>
    /// <param name="dtype">Type of the parameters; null takes the file's (where it has several, the one that most bytes have).</param>
    /// <exception cref="ConfigurationException">The family, an option or its value is not known or cannot be combined; names file, key and value.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the configuration; lists every difference by published names.</exception>
    /// <exception cref="SafetensorsException">A safetensors file or an index breaks its format.</exception>
    /// <exception cref="PickleException">A file of PyTorch is damaged, older than version 1.6, or holds more than tensors.</exception>
    /// <exception cref="CheckpointException">A weight is not finite, or a stored head differs from the embedding that it is tied to.</exception>
    /// <exception cref="IOException">A file is missing, or a download did not end.</exception>
    public static PublishedModel Load(string folder, Action<LanguageModelBuilder>? change = null, Action<ComponentRegistry>? kinds = null, Device? device = null, ScalarType? dtype = null)
    {
        var registry = new ComponentRegistry();
        kinds?.Invoke(registry);
        return PublishedFolder.Load(folder, registry, change, device, dtype);
    }

    /// <summary>Saves the model in the form it was opened in, in one step: published names, the configurations as they were read, one
    /// <c>model.safetensors</c>. Loaded in the file's own type and not changed, every tensor has the bytes it had. The tokenizer's files are copied from the
    /// folder that it was opened from, those that are still there.</summary>
    /// <param name="folder">The folder; everything in it that the save does not write stays.</param>
    /// <param name="more">Writes further files into the folder that it is given; null for none.</param>
    /// <exception cref="ConfigurationException">The model has a component or a size that the layout cannot say; names it. Save it as an LmKit folder with
    /// <see cref="LanguageModel.Save"/>.</exception>
    /// <exception cref="IOException">The folder cannot be written, or holds files that are not a model's; nothing was changed.</exception>
    public void Save(string folder, Action<string>? more = null) =>
        PublishedFolder.Save(folder, Model, Layout, weights, source.Dtype == weights.Stored ? null : source.Dtype, source.Folder, more);

    /// <summary>What was loaded, for people: family, files, types, options that had no effect, tensors that were left out, and the model's table.</summary>
    public string Describe()
    {
        var text = new StringBuilder().Append(ToString()).Append('\n');
        var types = weights.Types.ToList();
        _ = text.Append("files: ").AppendJoin(", ", source.Files).Append('\n')
            .Append("weights: ").AppendJoin(", ", types.Select(type => $"{type.Count} of {type.Type}")).Append(types.Count > 1 || source.Dtype != weights.Stored ? $"; loaded as {source.Dtype}\n" : "\n");
        if (weights.Names.TiedHead is { } head)
            _ = text.Append("tied head: ").Append(head).Append(" is stored too, and equal\n");
        Append("options without effect", Layout.IgnoredOptions);
        Append("spare tensors", SpareTensors);
        return text.Append(Model.Describe()).ToString();

        void Append(string what, IReadOnlyList<string> items)
        {
            if (items.Count > 0)
                _ = text.Append(what).Append(": ").AppendJoin(", ", items.Take(MostShown)).Append(items.Count > MostShown ? $" and {items.Count - MostShown} more\n" : "\n");
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Layout.Family} from {source.Folder}";

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}

/// <summary>Saves models in a published layout.</summary>
public static class PublishedLayoutFiles
{
    /// <summary>Saves a model of a layout that was made by its <see cref="PublishedLayout.CreateBuilder"/> or changed from a published one: published names, one
    /// <c>model.safetensors</c>, in the model's own type.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="folder">The folder; everything in it that the save does not write stays.</param>
    /// <param name="model">The model.</param>
    /// <param name="more">Writes further files into the folder that it is given, such as the tokenizer's; null for none.</param>
    /// <exception cref="ConfigurationException">The model has a component or a size that the layout cannot say; names it. Save it as an LmKit folder with
    /// <see cref="LanguageModel.Save"/>.</exception>
    /// <exception cref="IOException">The folder cannot be written, or holds files that are not a model's; nothing was changed.</exception>
    public static void Save(this PublishedLayout layout, string folder, LanguageModel model, Action<string>? more = null)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(model);
        PublishedFolder.Save(folder, model, layout, new FamilyWeights(layout.Match([]), new Dictionary<string, ScalarType>(), ScalarType.Float32), ModelFolder.StoredDtype(model.parameters().Select(parameter => parameter.dtype)), null, more);
    }
}

/// <summary>Where a published model came from.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Files">The files that hold its weights.</param>
/// <param name="Spare">Tensors that were left out.</param>
/// <param name="Dtype">The type it was loaded in.</param>
internal sealed record PublishedSource(string Folder, IReadOnlyList<string> Files, IReadOnlyList<string> Spare, ScalarType Dtype);
