using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Finds what a model has that its published layout cannot say.</summary>
internal static class LayoutCheck
{
    // What training alone uses, and initial values.
    private static readonly string[] trainingOptions = ["seed", "initializer", "initializer_range", "embedding_dropout_rate", "residual_dropout_rate"];

    /// <summary>Compares a model's configuration with the layout's; samplers, dictionaries and what training alone uses do not count.</summary>
    /// <exception cref="ConfigurationException">They differ; names the first component or option that does.</exception>
    internal static void Check(LanguageModel model, PublishedLayout layout)
    {
        using var plain = LanguageModel.Build(layout.Config, model.Kinds, new Device(TorchSharp.DeviceType.META), ScalarType.Float32, initializes: false);
        var (have, want) = (model.Config, plain.Config);
        var (options, wanted) = (have.ToJsonObject()["model"]!.AsObject(), want.ToJsonObject()["model"]!.AsObject());
        foreach (var key in options.Select(pair => pair.Key).Union(wanted.Select(pair => pair.Key)).Except(trainingOptions))
        {
            if (!JsonNode.DeepEquals(options[key], wanted[key]))
                throw Refusal($"$.model.{key}", $"the model has {key} = {StrictJson.Shown(options[key])}, where the layout of {layout.Family} says {StrictJson.Shown(wanted[key])}");
        }
        var (components, allowed) = (Counted(have), Counted(want));
        foreach (var (text, entry) in components)
        {
            if (!allowed.Exists(other => other.Text == text))
                throw Refusal("$.components", $"the model has the {entry.Slot} '{entry.Kind}' of {entry.Package}{Options(text)}, for which the layout of {layout.Family} has no place");
        }
        foreach (var (text, entry) in allowed)
        {
            if (!components.Exists(other => other.Text == text))
                throw Refusal("$.components", $"the model lacks the {entry.Slot} '{entry.Kind}'{Options(text)} that the layout of {layout.Family} has");
        }
        if (!components.Select(component => component.Text).SequenceEqual(allowed.Select(component => component.Text)))
            throw Refusal("$.components", $"the model's components are in another order than those of the layout of {layout.Family}, which decides which of them win");
    }

    private static List<(string Text, ComponentEntry Entry)> Counted(ModelConfig config) => [.. config.Components
        .Where(entry => entry.Slot != Slots.Sampler && entry.Slot != Slots.Dictionary)
        .Select(entry => (Text(entry), entry))];

    private static string Text(ComponentEntry entry)
    {
        var json = entry.ToJsonObject();
        if (json["options"] is JsonObject options)
        {
            foreach (var key in options.Select(pair => pair.Key).Where(key => key.EndsWith("dropout_rate", StringComparison.Ordinal)).ToList())
                _ = options.Remove(key);
        }
        return json.ToJsonString(OptionsJson.Settings);
    }

    private static string Options(string text) => JsonNode.Parse(text)!["options"] is JsonObject { Count: > 0 } options ? $" with {StrictJson.Shown(options)}" : "";

    private static ConfigurationException Refusal(string path, string problem) =>
        new(path, $"{problem}; save it as an LmKit folder with {nameof(LanguageModel)}.{nameof(LanguageModel.Save)}");
}
