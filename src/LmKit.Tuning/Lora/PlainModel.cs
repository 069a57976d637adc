using static TorchSharp.torch;

namespace LmKit;

/// <summary>A model with adapters as one without: the sums as weights, and a configuration that names no adapter.</summary>
internal static class PlainModel
{
    private const string Embedding = "embeddings.word_embeddings.weight";

    internal static LanguageModel Of(LanguageModel model)
    {
        var outermost = LoraAdapters.Of(model).DistinctBy(entry => LoraAdapters.BaseName(entry.Name)).ToDictionary(entry => LoraAdapters.BaseName(entry.Name), entry => entry.Adapter);
        if (outermost.Count == 0)
            throw new ArgumentException("The model has no adapter to merge; it is plain already.", nameof(model));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var sums = outermost.ToDictionary(pair => pair.Key, pair => pair.Value.SumForEvaluation());
        var densified = sums.Where(pair => !pair.Value.KeepsKind).Select(pair => pair.Key).ToArray();
        var table = model.get_parameter(Embedding)!;
        var plain = LanguageModel.Build(Config(model, densified), model.Kinds, table.device, table.dtype, initializes: false);
        try
        {
            var tensors = model.state_dict()
                .Where(pair => !outermost.Keys.Any(site => pair.Key.StartsWith(site + ".", StringComparison.Ordinal)))
                .ToDictionary(pair => pair.Key, pair => pair.Value);
            var wanted = plain.state_dict();
            foreach (var (site, (weight, bias, _)) in sums)
            {
                tensors[site + ".weight"] = weight;
                if (wanted.TryGetValue(site + ".bias", out var place))
                    tensors[site + ".bias"] = bias ?? zeros_like(place);
                else if (bias is not null && bias.count_nonzero().item<long>() > 0)
                    throw new InvalidOperationException($"The adapter at {site} has a bias (lora_bias) and its linear has none to hold it; train it without lora_bias, or keep the adapters.");
            }
            if (ModuleTensors.FirstNotFinite(tensors) is { } name)
                throw new InvalidOperationException($"'{name}' would hold values that are not finite. Check the adapters' values and scale.");
            CheckpointLoader.Load(plain, tensors, allowCast: true);
            return plain;
        }
        catch
        {
            plain.Dispose();
            throw;
        }
    }

    private static ModelConfig Config(LanguageModel model, string[] densified)
    {
        var config = model.Config;
        var components = config.Components.RemoveAll(entry => entry.Slot == Slots.LinearWrapper && entry.Kind == LoraComponent.Kind.Name && entry.Package == LoraComponent.Kind.Package);
        if (densified.Length == 0)
            return config with { Components = components };
        components = components.AddRange(new LanguageModelBuilder().AddDenseLinear(densified).Config.Components);
        var sites = LinearSites(model).ToArray();
        // A structured kind that has no place any more would only make readers need its package.
        return config with
        {
            Components = components.RemoveAll(entry => entry.Slot == Slots.Linear
                && entry.Sites?.Contains(LinearSite.Head) != true
                && !sites.Any(site => components.LastOrDefault(other => other.Slot == Slots.Linear && other.AppliesTo(site)) is { } winner && ReferenceEquals(winner, entry))),
        };
    }

    // The linears that the configuration gave their places, as those places would be without adapters.
    private static IEnumerable<LinearSite> LinearSites(LanguageModel model)
    {
        var found = new List<string>();
        foreach (var (name, module) in model.named_modules().Where(entry => entry.module is ILinear).OrderBy(entry => entry.name.Length))
        {
            var path = LoraAdapters.BaseName(name);
            var segments = path.Split('.');
            if (found.Any(other => path == other || path.StartsWith(other + ".", StringComparison.Ordinal)) || segments is not ["layers", _, _, ..])
                continue;
            found.Add(path);
            var linear = (ILinear)module;
            yield return new LinearSite(path, int.Parse(segments[1], System.Globalization.CultureInfo.InvariantCulture), linear.InFeatures, linear.OutFeatures, false, 0, null!);
        }
    }
}
