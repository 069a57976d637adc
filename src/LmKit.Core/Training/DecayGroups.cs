using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Sorts a model's parameters by how they are trained: by default matrices decay; vectors, norms and embeddings do not.</summary>
/// <remarks>A module that knows better says so through <see cref="IParameterHints"/>. Frozen parameters are left out.</remarks>
public static class DecayGroups
{
    /// <summary>The groups of a model, in the order of their first parameter.</summary>
    /// <param name="model">The model.</param>
    /// <param name="scope">What decays where no module says so itself.</param>
    public static IReadOnlyList<DecayGroup> Of(nn.Module model, DecayScope scope = DecayScope.Matrices)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Of(model, scope, []);
    }

    /// <summary>The groups of a learner: without decay of its own, which parameters would decay tells none of them apart.</summary>
    internal static IReadOnlyList<DecayGroup> Of(Learner learner, TrainingOptions options)
    {
        var groups = Of(learner.Module, options.DecayScope, learner.Undecayed);
        if (learner.WeightDecay != 0)
            return groups;
        var order = learner.Module.named_parameters().Select(pair => pair.name).Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        return [.. groups
            .GroupBy(group => group.Hint with { Decays = false })
            .Select(alike => new DecayGroup(alike.Key, [.. alike.SelectMany(group => group.Parameters).OrderBy(entry => order[entry.Name])]))];
    }

    /// <summary>How a parameter is trained of which no module says anything, in the scope of matrices.</summary>
    internal static ParameterHint Usual(Parameter parameter) => Resolve(null, parameter, DecayScope.Matrices);

    private static IReadOnlyList<DecayGroup> Of(nn.Module model, DecayScope scope, IReadOnlyCollection<string> undecayed)
    {
        var hints = new Dictionary<string, ParameterHint>();
        foreach (var (path, module) in model.named_modules().Prepend(("", model)))
        {
            if (module is not IParameterHints knowing)
                continue;
            foreach (var (name, _) in module.named_parameters())
            {
                if (knowing.Hint(name) is { } hint)
                    hints[path.Length == 0 ? name : $"{path}.{name}"] = hint;
            }
        }
        return [.. model.named_parameters()
            .Where(pair => pair.parameter.requires_grad)
            .Select(pair => (Hint: Resolve(hints.GetValueOrDefault(pair.name), pair.parameter, scope), pair.name, pair.parameter))
            .Select(entry => undecayed.Contains(entry.name) ? entry with { Hint = entry.Hint with { Decays = false } } : entry)
            .GroupBy(entry => entry.Hint)
            .Select(group => new DecayGroup(group.Key, [.. group.Select(entry => (entry.name, entry.parameter))]))];
    }

    private static ParameterHint Resolve(ParameterHint? hint, Parameter parameter, DecayScope scope)
    {
        hint ??= new ParameterHint();
        return hint with { Decays = hint.Decays ?? (scope == DecayScope.All || (parameter.dim() >= 2 && !hint.IsVector)) };
    }
}

/// <summary>Parameters that are trained alike.</summary>
/// <param name="Hint">How they depart from the default.</param>
/// <param name="Parameters">Them, by full name.</param>
public sealed record DecayGroup(ParameterHint Hint, IReadOnlyList<(string Name, Parameter Parameter)> Parameters);

/// <summary>Which parameters weight decay acts on, where their module does not say so itself.</summary>
public enum DecayScope
{
    /// <summary>Matrices; vectors, norms and embeddings stay as they are.</summary>
    Matrices,

    /// <summary>Every parameter, biases, norms and embeddings included, as the published H3 recipes have it.</summary>
    All,
}
