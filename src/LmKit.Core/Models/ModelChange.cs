using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A model with another configuration over the tensors that it has already, or that a file holds.</summary>
internal static class ModelChange
{
    /// <summary>Builds a changed configuration, and says which of its tensors a file of the unchanged one fills.</summary>
    /// <returns>The model, and its tensors by the names of the unchanged one.</returns>
    internal static (LanguageModel Model, IReadOnlyDictionary<string, Tensor> Targets) Build(
        ModelConfig config,
        ComponentRegistry kinds,
        Action<LanguageModelBuilder> change,
        Device? device,
        ScalarType dtype,
        ParameterFilling plainFilling,
        ParameterFilling filling,
        string source)
    {
        // Names and shapes alone: tensors on the meta device hold nothing.
        using var plain = LanguageModel.Build(config, kinds, new Device(DeviceType.META), dtype, false, plainFilling);
        var builder = Change(config, kinds, device ?? CPU, dtype, change);
        var changed = LanguageModel.Build(builder.Config, builder.Kinds, device, dtype, false, filling);
        try
        {
            return (changed, Match(plain, changed, config.Components.Length, source).ToDictionary(match => match.Name, match => match.Target));
        }
        catch
        {
            changed.Dispose();
            throw;
        }
    }

    /// <summary>Makes the changed model, whose tensors are the given one's.</summary>
    /// <param name="model">The model.</param>
    /// <param name="change">The change.</param>
    /// <param name="isChanging">The model's mark that a change is under way or done: 1, or 0 again after a failure.</param>
    internal static LanguageModel Apply(LanguageModel model, Action<LanguageModelBuilder> change, ref int isChanging)
    {
        if (Interlocked.Exchange(ref isChanging, 1) == 1)
            throw new InvalidOperationException($"Another change of this {nameof(LanguageModel)} is under way; change the model that it returns.");
        try
        {
            return Apply(model, change);
        }
        catch
        {
            isChanging = 0;
            throw;
        }
    }

    /// <summary>Makes a model that differs from one by some of the builder's verbs and shares its tensors; that one stays as it is. The caller disposes the
    /// new one, before or after the other, and only reads with it.</summary>
    /// <exception cref="ConfigurationException">As <see cref="LanguageModel.With"/> says.</exception>
    internal static LanguageModel Beside(LanguageModel model, Action<LanguageModelBuilder> change)
    {
        using var use = ((IUseGated)model).Gate.Enter();
        return Apply(model, change);
    }

    private static LanguageModel Apply(LanguageModel model, Action<LanguageModelBuilder> change)
    {
        var written = model.Building.Written;
        var parameters = model.parameters().ToList();
        var dtype = ModelFolder.StoredDtype(parameters.Select(parameter => parameter.dtype));
        var device = parameters.FirstOrDefault()?.device ?? CPU;
        var builder = Change(written, model.Kinds, device, dtype, change);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var filling = new ParameterFilling { FreshFrom = written.Components.Length, IsHollow = true, IsUniform = parameters.TrueForAll(parameter => parameter.dtype == dtype) };
        var changed = LanguageModel.Build(builder.Config, builder.Kinds, device, dtype, false, filling);
        try
        {
            var matches = Match(model, changed, written.Components.Length, "the model");
            if (matches.Find(match => match.Target.dtype != match.Source.dtype) is { } other)
                throw new ConfigurationException("$", $"'{other.Name}' is {other.Source.dtype} in the model and {other.Target.dtype} with the change; save the model, and load it with the change and a dtype.");
            foreach (var (_, source, target, isWrapped) in matches)
            {
                var isTrained = source.requires_grad && (target.requires_grad || !isWrapped); // a fresh adapter freezes what it is put around
                _ = target.set_(source.detach());
                target.requires_grad = isTrained;
            }
            filling.Finish();
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

    private static LanguageModelBuilder Change(ModelConfig config, ComponentRegistry kinds, Device device, ScalarType dtype, Action<LanguageModelBuilder> change)
    {
        var builder = LanguageModelBuilder.From(config, kinds);
        (builder.Device, builder.Dtype) = (device, dtype);
        change(builder);
        if (builder.Dtype != dtype || builder.Device?.type != device.type || builder.Device.index != device.index)
            throw new ConfigurationException("$", $"a change may not set {nameof(LanguageModelBuilder)}.{nameof(builder.Device)} or {nameof(builder.Dtype)}; say them to {nameof(LanguageModel.Load)}, or move the model with to().");
        return builder;
    }

    private static List<ChangedTensor> Match(LanguageModel plain, LanguageModel changed, int freshFrom, string source)
    {
        var (have, want) = (Places(plain), Places(changed));
        var matches = new List<ChangedTensor>();
        var fresh = want.Where(place => place.Key.Component >= freshFrom).Select(place => place.Key.Site + ".").ToHashSet();
        foreach (var (place, (name, tensor)) in have)
        {
            if (!want.TryGetValue(place, out var target))
                throw new ConfigurationException("$", $"the change leaves no place for '{name}' {Shape(tensor)}, which {source} holds; a change may not drop weights.");
            if (!target.Tensor.shape.SequenceEqual(tensor.shape))
                throw new ConfigurationException("$", $"'{name}' is {Shape(tensor)} in {source} and {Shape(target.Tensor)} with the change; a change may not reshape weights.");
            matches.Add(new ChangedTensor(name, tensor, target.Tensor, fresh.Any(site => target.Name.StartsWith(site, StringComparison.Ordinal))));
        }
        foreach (var (place, (name, tensor)) in want)
        {
            if (!have.ContainsKey(place) && place.Component < freshFrom)
                throw new ConfigurationException("$", $"the change asks for '{name}' {Shape(tensor)}, which {source} does not hold; only wrappers, such as adapters, may bring weights of their own.");
        }
        return matches;
    }

    private static string Shape(Tensor tensor) => $"({string.Join(", ", tensor.shape)})";

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
            {
                // What a wrapper does not hold as a module has no tensors of the model.
                if (names.TryGetValue(linear, out var name))
                    links.Add((name + ".", site, component));
            }
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

/// <summary>A tensor of a model and the one that takes its values in the changed model.</summary>
/// <param name="Name">Its name before the change.</param>
/// <param name="Source">The tensor.</param>
/// <param name="Target">The changed model's.</param>
/// <param name="IsWrapped">Whether it stands inside a wrapper that the change brought.</param>
internal sealed record ChangedTensor(string Name, Tensor Source, Tensor Target, bool IsWrapped);
