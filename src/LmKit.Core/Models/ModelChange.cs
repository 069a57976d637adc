using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A model with another configuration over the tensors that it has already, or that a file holds.</summary>
internal static class ModelChange
{
    /// <summary>Builds a changed configuration, and says which of its tensors a file of the unchanged one fills.</summary>
    /// <returns>The model, and its tensors by the names of the unchanged one.</returns>
    internal static (LanguageModel Model, IReadOnlyDictionary<string, Tensor> Targets) Build(
        ModelConfig config, ComponentRegistry kinds, Action<LanguageModelBuilder> change, Device? device, ScalarType dtype, ParameterBudget budget, string source)
    {
        var builder = LanguageModelBuilder.From(config, kinds);
        change(builder);
        // Names and shapes alone: tensors on the meta device hold nothing.
        using var plain = LanguageModel.Build(config, kinds, new Device(DeviceType.META), dtype, initializes: false);
        var changed = LanguageModel.Build(builder.Config, builder.Kinds, device, dtype, false, budget, config.Components.Length);
        try
        {
            return (changed, Match(plain, changed, config.Components.Length, source));
        }
        catch
        {
            changed.Dispose();
            throw;
        }
    }

    /// <summary>Makes the changed model, whose tensors are the given one's.</summary>
    internal static LanguageModel Apply(LanguageModel model, Action<LanguageModelBuilder> change)
    {
        var written = model.Building.Written;
        var builder = LanguageModelBuilder.From(written, model.Kinds);
        change(builder);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var first = model.parameters().First();
        var dtype = ModelFolder.StoredDtype(model.parameters().Select(parameter => parameter.dtype));
        var changed = LanguageModel.Build(builder.Config, builder.Kinds, first.device, dtype, false, null, written.Components.Length);
        try
        {
            var mine = ModuleTensors.Of(model);
            var targets = Match(model, changed, written.Components.Length, "the model");
            foreach (var (name, target) in targets)
            {
                if (target.dtype != mine[name].dtype)
                    throw new ConfigurationException("$", $"'{name}' is {mine[name].dtype} in the model and {target.dtype} with the change; convert the model first.");
            }
            foreach (var (name, target) in targets)
            {
                _ = target.set_(mine[name].detach());
                target.requires_grad = mine[name].requires_grad;
            }
            changed.Random.set_state(model.Random.get_state());
            changed.train(model.training);
            return changed;
        }
        catch
        {
            changed.Dispose();
            throw;
        }
    }

    private static Dictionary<string, Tensor> Match(LanguageModel plain, LanguageModel changed, int freshFrom, string source)
    {
        var (have, want) = (Places(plain), Places(changed));
        var targets = new Dictionary<string, Tensor>();
        foreach (var (place, (name, tensor)) in have)
        {
            if (!want.TryGetValue(place, out var target))
                throw new ConfigurationException("$", $"the change leaves no place for '{name}', which {source} holds; a change may not drop weights.");
            if (!target.Tensor.shape.SequenceEqual(tensor.shape))
                throw new ConfigurationException("$", $"'{name}' is ({string.Join(", ", tensor.shape)}) in {source} and ({string.Join(", ", target.Tensor.shape)}) with the change; a change may not reshape weights.");
            targets[name] = target.Tensor;
        }
        foreach (var (place, (name, _)) in want)
        {
            if (!have.ContainsKey(place) && place.Component < freshFrom)
                throw new ConfigurationException("$", $"the change asks for '{name}', which {source} does not hold; only wrappers, such as adapters, may bring weights of their own.");
        }
        return targets;
    }

    // A tensor's place says which entry of the configuration it belongs to, so that a linear is found again inside another wrapper.
    private static Dictionary<(string Site, int Component, string Name), (string Name, Tensor Tensor)> Places(LanguageModel model)
    {
        var names = new Dictionary<object, string>(ReferenceEqualityComparer.Instance);
        foreach (var (name, module) in model.named_modules())
            names[module] = name;
        var links = new List<(string Prefix, string Site, int Component)>();
        foreach (var (site, chain) in model.Building.Wrapped)
        {
            foreach (var (component, linear) in chain)
                links.Add((names[linear] + ".", site, component));
        }
        links = [.. links.OrderByDescending(link => link.Prefix.Length)]; // the innermost first
        var places = new Dictionary<(string, int, string), (string, Tensor)>();
        foreach (var (name, tensor) in ModuleTensors.Of(model))
        {
            var link = links.Find(link => name.StartsWith(link.Prefix, StringComparison.Ordinal));
            // A linear without wrappers has the place that it would have inside one.
            var place = link.Prefix is null ? ("", -1, name) : link.Component < 0 ? ("", -1, $"{link.Site}.{name[link.Prefix.Length..]}") : (link.Site, link.Component, name[link.Prefix.Length..]);
            places[place] = (name, tensor);
        }
        return places;
    }
}
