using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The dictionaries that a model's configuration names for the activations of its layers.</summary>
internal static class ModelDictionaries
{
    /// <summary>Makes those of a layer, in their order, in evaluation mode.</summary>
    internal static IReadOnlyList<IDictionary> Create(LanguageModel model, int layer, Generator? random)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, model.Blocks.Count);
        var plan = model.Building.Plan;
        using var own = random is null ? new Generator(unchecked((plan.Options.Seed * 31) + (ulong)layer + 1)) : null;
        var parameters = model.parameters().ToList();
        var factory = new ParameterFactory(random ?? own!, ModelFolder.StoredDtype(parameters.Select(parameter => parameter.dtype)), parameters.FirstOrDefault()?.device);
        return factory.Complete(() => Create(plan, Context(plan, layer, factory, model.Random)));
    }

    /// <summary>Fails for a dictionary that cannot be made, by making each once without values.</summary>
    internal static void Check(ModelPlan plan, ScalarType dtype, Generator random)
    {
        var factory = new ParameterFactory(random, dtype, new Device(DeviceType.META), initializes: false);
        foreach (var component in plan.Components.Where(component => component.Entry.Slot == Slots.Dictionary && component.Entry.Layers is not { Length: 0 }))
            (Create(component, Context(plan, component.Entry.Layers?[0] ?? 0, factory, random)) as IDisposable)?.Dispose();
    }

    private static List<IDictionary> Create(ModelPlan plan, LayerContext layer)
    {
        var made = new List<IDictionary>();
        try
        {
            foreach (var component in plan.Dictionaries(layer.LayerIndex))
                made.Add(Create(component, layer));
            return made;
        }
        catch
        {
            foreach (var dictionary in made)
                (dictionary as IDisposable)?.Dispose();
            throw;
        }
    }

    private static IDictionary Create(PlannedComponent component, LayerContext layer)
    {
        var dictionary = component.Create<IDictionary>(new DictionarySite(layer.Parameters, layer));
        (dictionary as nn.Module)?.eval();
        var shape = dictionary.Atoms?.shape ?? [];
        if (shape is [_, var width] && width == layer.ModelDim)
            return dictionary;
        (dictionary as IDisposable)?.Dispose();
        throw new ConfigurationException(component.Path, $"'{component.Entry.Kind}' makes a dictionary whose atoms are ({string.Join(", ", shape)}); the activations of layer {layer.LayerIndex} are LanguageModelOptions.ModelDim = {layer.ModelDim} wide ($.model.d_model).");
    }

    // A building of its own, so that the model's notes none of a dictionary's parts.
    private static LayerContext Context(ModelPlan plan, int layer, ParameterFactory parameters, Generator random) =>
        new(new ModelBuild(plan), layer, $"layers.{layer}", parameters, random);
}
