using System.Text.RegularExpressions;

namespace LmKit;

/// <summary>The one configuration that says of every adapter of a model what it is, or why there is none.</summary>
internal static partial class AdapterDescription
{
    /// <summary>Describes adapters by their names in the file.</summary>
    /// <param name="adapters">The adapters.</param>
    /// <param name="trainedTokens">Tokens whose rows go with them.</param>
    /// <param name="folder">The folder, for errors.</param>
    /// <param name="like">A configuration whose targets and names are kept, or null.</param>
    /// <exception cref="AdapterException">One file cannot say all of it; names what.</exception>
    internal static AdapterConfig Of(IReadOnlyList<(string Name, ILoraAdapter Adapter)> adapters, long[] trainedTokens, string folder, AdapterConfig? like)
    {
        Agree(adapters, "use_dora", adapter => adapter.Options.IsWeightDecomposed, folder);
        Agree(adapters, "lora_bias", adapter => adapter.Options.HasBias, folder);
        if (adapters.Select(entry => entry.Adapter.IsEnabled).Distinct().Count() > 1)
        {
            throw new AdapterException(folder, $"{adapters.First(entry => !entry.Adapter.IsEnabled).Name} is switched off and {adapters.First(entry => entry.Adapter.IsEnabled).Name} is on, "
                + "which a folder cannot say. Switch all on or off (LoraAdapters.Enable), or give the others a strength of 0.");
        }
        if (like is not null && adapters.FirstOrDefault(entry => !like.Targets(entry.Name)) is { Name: { } left })
            throw new AdapterException(folder, $"{left} has an adapter and the given configuration does not target it; a reader would leave it out. Give a configuration that targets it, or none.");
        if (like is not null && like.Lora.TrainedTokens.Order().SequenceEqual(trainedTokens) && Says(like, adapters))
            return like;
        var options = Options(adapters, folder);
        options.TrainedTokens = trainedTokens;
        var config = like is null
            ? new AdapterConfig(options, [.. adapters.Select(entry => entry.Name)])
            : like with { Lora = options, TrainedTokensModule = like.Lora.TrainedTokens.Length == 0 ? null : like.TrainedTokensModule };
        return Says(config, adapters) ? config
            : throw new AdapterException(folder, "no rank_pattern and alpha_pattern describes these adapters, since one module's name ends with another's. Save the whole model (LanguageModel.Save).");
    }

    /// <summary>s of a module by a configuration, at strength 1.</summary>
    internal static double Scale(AdapterConfig config, string module)
    {
        var rank = LoraPattern.Resolve(config.Lora.RankPattern, module, config.Lora.Rank);
        return LoraPattern.Resolve(config.Lora.AlphaPattern, module, config.Lora.Alpha) / (config.Lora.IsRankStabilized ? Math.Sqrt(rank) : rank);
    }

    /// <summary>Whether two scales differ by rounding alone.</summary>
    internal static bool IsSame(double a, double b) => Math.Abs(a - b) <= 1e-12 * Math.Max(Math.Abs(a), Math.Abs(b));

    private static bool Says(AdapterConfig config, IReadOnlyList<(string Name, ILoraAdapter Adapter)> adapters) => adapters.All(entry =>
        config.Targets(entry.Name)
        && LoraPattern.Resolve(config.Lora.RankPattern, entry.Name, config.Lora.Rank) == entry.Adapter.Rank
        && IsSame(Scale(config, entry.Name), entry.Adapter.FullScale * entry.Adapter.Strength)
        && config.Lora.IsWeightDecomposed == entry.Adapter.Options.IsWeightDecomposed
        && config.Lora.HasBias == entry.Adapter.Options.HasBias);

    private static LoraOptions Options(IReadOnlyList<(string Name, ILoraAdapter Adapter)> adapters, string folder)
    {
        var options = adapters[0].Adapter.Options.Copy();
        (options.Strength, options.StrengthPattern, options.IsEnabled, options.EnabledPattern) = (1, [], true, []);
        options.IsRankStabilized = adapters.Count(entry => entry.Adapter.Options.IsRankStabilized) * 2 > adapters.Count;
        (options.Rank, options.RankPattern) = Patterns([.. adapters.Select(entry => (entry.Name, entry.Adapter.Rank))]);
        (options.Alpha, options.AlphaPattern) = Patterns([.. adapters.Select(entry => (entry.Name, Alpha(entry.Adapter, options.IsRankStabilized)))]);
        if (!double.IsFinite(options.Alpha) || options.AlphaPattern.Values.Any(alpha => !double.IsFinite(alpha)))
            throw new AdapterException(folder, "alpha times strength is not finite for an adapter; lower its strength.");
        return options;
    }

    // The alpha that gives the adapter's scale, strength included.
    private static double Alpha(ILoraAdapter adapter, bool isRankStabilized) =>
        adapter.Options.IsRankStabilized == isRankStabilized ? adapter.Alpha * adapter.Strength
        : adapter.FullScale * adapter.Strength * (isRankStabilized ? Math.Sqrt(adapter.Rank) : adapter.Rank);

    // The most frequent value, and patterns for the modules with another: by the last segment where all modules of it agree.
    private static (T Common, Dictionary<string, T> Patterns) Patterns<T>(IReadOnlyList<(string Name, T Value)> modules)
        where T : notnull
    {
        var common = modules.GroupBy(module => module.Value).MaxBy(group => group.Count())!.Key;
        var patterns = new Dictionary<string, T>();
        foreach (var group in modules.GroupBy(module => module.Name[(module.Name.LastIndexOf('.') + 1)..]))
        {
            if (group.All(module => module.Value.Equals(common)))
                continue;
            if (group.Select(module => module.Value).Distinct().Count() == 1)
            {
                patterns[Key(group.Key)] = group.First().Value;
            }
            else
            {
                foreach (var (name, value) in group.Where(module => !module.Value.Equals(common)))
                    patterns[Key(name)] = value;
            }
        }
        if (modules.All(module => LoraPattern.Resolve(patterns, module.Name, common).Equals(module.Value)))
            return (common, patterns);
        // A name that ends with another's comes first: the first pattern that fits wins.
        return (common, modules.OrderByDescending(module => module.Name.Length).ToDictionary(module => Regex.Escape(module.Name), module => module.Value));
    }

    private static string Key(string name) => Plain().IsMatch(name) ? name : Regex.Escape(name);

    private static void Agree(IReadOnlyList<(string Name, ILoraAdapter Adapter)> adapters, string key, Func<ILoraAdapter, bool> read, string folder)
    {
        var with = adapters.FirstOrDefault(entry => read(entry.Adapter)).Name;
        var without = adapters.FirstOrDefault(entry => !read(entry.Adapter)).Name;
        if (with is not null && without is not null)
            throw new AdapterException(folder, $"{key} is true for {with} and false for {without}, and one folder says it for all modules. Save the whole model (LanguageModel.Save), or build all adapters alike.");
    }

    [GeneratedRegex(@"^[A-Za-z0-9_.\-]+\z")]
    private static partial Regex Plain();
}
