using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The linears of a published model that an adapter folder targets by their published names.</summary>
internal static class AdapterTargets
{
    /// <summary>Options whose patterns name our modules, and the whole paths of those that get an adapter.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    internal static (LoraOptions Options, string[] Sites) Of(AdapterConfig config, PublishedLayout layout)
    {
        var linears = Linears(layout);
        // With all linears meant, the head is left out whatever it is called.
        var targets = linears.Select(name => (Ours: name, Theirs: layout.ModuleOf(name).Name))
            .Where(module => config.Targets(module.Theirs) && (module.Ours != LinearSite.Head || config.TargetPattern is not null || config.TargetModules.Count > 0))
            .ToList();
        if (targets.Count == 0)
        {
            var named = config.TargetPattern ?? string.Join(", ", config.TargetModules);
            throw new ArgumentException($"target_modules ({named}) names no linear of this {layout.Family}; its linears are {string.Join(", ", linears.Select(Kind).Distinct())}.", nameof(config));
        }
        var options = config.Lora.Copy();
        (options.RankPattern, options.AlphaPattern) = (Renamed(options.RankPattern, options.Rank), Renamed(options.AlphaPattern, options.Alpha));
        return (options, [.. targets.Select(module => module.Ours)]);

        string Kind(string name) => layout.ModuleOf(name).Name.Split('.')[^1];

        Dictionary<string, T> Renamed<T>(Dictionary<string, T> patterns, T common)
            where T : notnull => targets
            .Select(module => (module.Ours, Value: LoraPattern.Resolve(patterns, module.Theirs, common)))
            .Where(module => !module.Value.Equals(common))
            .ToDictionary(module => Regex.Escape(module.Ours), module => module.Value);
    }

    private static List<string> Linears(PublishedLayout layout)
    {
        // Names alone: tensors on the meta device hold nothing.
        using var model = LanguageModel.Build(layout.Config, new ComponentRegistry(), new Device(DeviceType.META), ScalarType.Float32, false);
        return [.. model.named_modules().Where(entry => entry.module is ILinear).Select(entry => entry.name)];
    }
}
