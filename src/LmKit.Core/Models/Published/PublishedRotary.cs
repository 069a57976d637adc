namespace LmKit;

/// <summary>Reads rotary settings of published configurations: the older keys at the top (<c>rope_theta</c>, <c>rope_scaling</c>) and the newer
/// <c>rope_parameters</c>, flat or for each kind of layer.</summary>
internal static class PublishedRotary
{
    private const string Newer = "rope_parameters";
    private const string Older = "rope_scaling";

    private static readonly string[] types = ["default", "linear", "dynamic", "yarn", "llama3", "longrope"];

    /// <summary>Reads the settings of one kind of layer.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="site">Names and defaults of the family.</param>
    internal static RotaryOptions Read(PublishedConfig config, long headDim, RotarySite site)
    {
        var newer = config.TryObject(Newer);
        if (newer is not null && (newer.Has("full_attention") || newer.Has("sliding_attention")))
        {
            newer = newer.TryObject(site.LayerType ?? throw config.Wrong(Newer, config.Raw(Newer), "has settings for each kind of layer, which this family does not have"))
                ?? throw new ConfigurationException(newer.Place(site.LayerType), "is missing; the settings of every kind of layer are there, or none");
        }
        else if (newer is not null && site.LayerType is not null)
        {
            throw config.Wrong(Newer, config.Raw(Newer), "has one setting for all layers; in this family full_attention and sliding_attention have settings of their own there");
        }
        if (newer is not null && config.TryObject(Older) is not null)
            throw config.Wrong(Older, config.Raw(Older), $"stands beside {config.Place(Newer)}, which says the same in newer words; leave one of them out");
        // Newer files may have the older name for the newer object, with the base inside.
        var settings = newer ?? (site.HasScaling ? config.TryObject(Older) : null);
        var baseOld = config.TryNumber(1, 1e12, site.BaseNames);
        var baseNew = settings?.TryNumber(1, 1e12, "rope_theta");
        if (baseOld is not null && baseNew is not null && baseOld != baseNew)
            throw settings!.Wrong("rope_theta", settings.Raw("rope_theta"), $"contradicts {config.Place(site.BaseNames[0])}; leave one of them out");
        var options = new RotaryOptions { Base = baseNew ?? baseOld ?? site.Base };
        var share = Share(config, settings, site);
        var turned = share is null ? headDim : (long)(headDim * share.Value);
        options.Dim = Turned(turned, headDim, config.Place(site.DimName));
        if (settings is { } scaling)
            options.Scaling = Scaling(config, scaling, site, turned, options.Base);
        return options;
    }

    /// <summary>The option that says how many features of a head turn: 0 for all.</summary>
    internal static long Turned(long turned, long headDim, string place) => turned >= 2 && turned <= headDim && turned % 2 == 0
        ? turned == headDim ? 0 : turned
        : throw new ConfigurationException(place, $"{turned} features of a head of {headDim} would turn; that is an even number from 2 to the width of a head");

    private static double? Share(PublishedConfig config, PublishedConfig? newer, RotarySite site)
    {
        var names = site.ShareNames.Length > 0 ? site.ShareNames : ["partial_rotary_factor"];
        var old = config.TryNumber(0, 1, names);
        var share = newer?.TryNumber(0, 1, "partial_rotary_factor");
        if (old is not null && share is not null && old != share)
            throw newer!.Wrong("partial_rotary_factor", newer.Raw("partial_rotary_factor"), $"contradicts {config.Place(names[0])}; leave one of them out");
        share ??= old ?? site.Share;
        if (site.ShareNames.Length == 0 && share is not (null or 1))
            throw new ConfigurationException(config.Place("partial_rotary_factor"), FormattableString.Invariant($"{share} is not 1, and the heads of this family turn whole"));
        return share;
    }

    private static RotaryScaling? Scaling(PublishedConfig config, PublishedConfig scaling, RotarySite site, long turned, double wavelength)
    {
        // Phi-3's first files have other words for it.
        var type = scaling.TryText(text => site.IsPhi && text is "su" or "yarn" ? "longrope" : text, "rope_type", "type");
        if (type is null && scaling.Has("rope_theta") && !scaling.Has("factor") && !scaling.Has("long_factor"))
            return null; // the newer form without scaling
        _ = type ?? throw new ConfigurationException(scaling.Place("rope_type"), $"is missing; it is one of {string.Join(", ", types)}");
        var trained = config.TrySize(1, int.MaxValue, "max_position_embeddings", "n_positions");
        switch (type)
        {
            case "default":
                return null;
            case "linear":
                return new LinearRotaryScaling { Factor = Factor() };
            case "dynamic":
                return new DynamicRotaryScaling { Factor = Factor(), OriginalLength = Trained() };
            case "llama3":
                var (low, high) = (Number("low_freq_factor", 0), Number("high_freq_factor", 1e-6));
                if (high <= low)
                    throw scaling.Wrong("high_freq_factor", scaling.Raw("high_freq_factor"), FormattableString.Invariant($"is not above {scaling.Place("low_freq_factor")} = {low}"));
                return new Llama3RotaryScaling { Factor = Factor(), LowFrequencyFactor = low, HighFrequencyFactor = high, OriginalLength = Original() ?? throw Missing("original_max_position_embeddings") };
            case "yarn":
                return Yarn();
            case "longrope":
                return Long();
            default:
                throw scaling.Wrong(scaling.Has("rope_type") ? "rope_type" : "type", scaling.Raw(scaling.Has("rope_type") ? "rope_type" : "type"), $"is not a scaling that LmKit knows; it knows {string.Join(", ", types)}");
        }

        ConfigurationException Missing(string name) => new(scaling.Place(name), $"is missing; rope type '{type}' needs it");

        double Number(string name, double least) => scaling.TryNumber(least, 1e6, name) ?? throw Missing(name);

        double Factor() => Number("factor", 1);

        long Trained() => trained ?? throw new ConfigurationException(config.Place("max_position_embeddings"), $"is missing; rope type '{type}' needs it");

        long? Original()
        {
            var inside = scaling.TrySize(1, int.MaxValue, "original_max_position_embeddings");
            var top = config.TrySize(1, int.MaxValue, "original_max_position_embeddings");
            return inside is null || top is null || inside == top ? inside ?? top
                : throw scaling.Wrong("original_max_position_embeddings", scaling.Raw("original_max_position_embeddings"), $"contradicts {config.Place("original_max_position_embeddings")} = {top}; leave one of them out");
        }

        YarnRotaryScaling Yarn()
        {
            if (wavelength <= 1)
                throw new ConfigurationException(config.Place(site.BaseNames[0]), FormattableString.Invariant($"{wavelength} is not above 1, which rope type 'yarn' needs"));
            if (!(options() is var yarn && yarn.BetaFast >= yarn.BetaSlow))
                throw scaling.Wrong("beta_fast", scaling.Raw("beta_fast"), FormattableString.Invariant($"is below {scaling.Place("beta_slow")} = {yarn.BetaSlow}; pairs that turn fast stay as they are"));
            // The published code takes the two together, and neither where one is missing or 0.
            if (yarn.AttentionFactor is not null || yarn.Mscale is null or 0 || yarn.MscaleAllDim is null or 0)
                (yarn.Mscale, yarn.MscaleAllDim) = (null, null);
            return yarn;

            YarnRotaryScaling options() => new()
            {
                Factor = Factor(),
                OriginalLength = Original() ?? Trained(),
                BetaFast = scaling.TryNumber(1e-6, 1e6, "beta_fast") ?? 32,
                BetaSlow = scaling.TryNumber(1e-6, 1e6, "beta_slow") ?? 1,
                Truncates = scaling.Flag(true, "truncate"),
                AttentionFactor = scaling.TryNumber(1e-6, 1e6, "attention_factor"),
                Mscale = scaling.TryNumber(0, 1e6, "mscale"),
                MscaleAllDim = scaling.TryNumber(0, 1e6, "mscale_all_dim"),
            };
        }

        LongRotaryScaling Long()
        {
            var original = Original();
            var attention = scaling.TryNumber(1e-6, 1e6, "attention_factor");
            // The factor follows from the two lengths.
            var stated = scaling.TryNumber(1, 1e6, "factor");
            var factor = original is { } trainedLength ? Math.Max(1, (double)Trained() / trainedLength) : stated ?? 1;
            if (stated is { } said && Math.Abs(said - factor) > 1e-6 * factor)
                throw scaling.Wrong("factor", scaling.Raw("factor"), FormattableString.Invariant($"contradicts {config.Place("max_position_embeddings")} / original_max_position_embeddings = {factor}; leave it out"));
            return new LongRotaryScaling
            {
                OriginalLength = original ?? Trained(),
                ShortFactor = Factors("short_factor"),
                LongFactor = Factors("long_factor"),
                AttentionFactor = attention,
                Factor = attention is null ? factor : null,
            };
        }

        double[] Factors(string name)
        {
            var numbers = scaling.TryNumbers(name) ?? throw Missing(name);
            if (numbers.Length != turned / 2)
                throw new ConfigurationException(scaling.Place(name), $"has {numbers.Length} numbers; {turned} features of a head turn, so {turned / 2} are needed");
            var wrong = Array.Find(numbers, number => number <= 0);
            return numbers.Any(number => number <= 0)
                ? throw new ConfigurationException(scaling.Place(name), FormattableString.Invariant($"holds {wrong}; its numbers are positive"))
                : numbers;
        }
    }
}

/// <summary>Where a family keeps its rotary settings, and what it assumes.</summary>
internal sealed record RotarySite
{
    /// <summary>The base where no key says it.</summary>
    internal double Base { get; init; } = 10_000;

    /// <summary>Names of the base at the top.</summary>
    internal string[] BaseNames { get; init; } = ["rope_theta"];

    /// <summary>Names of the share of a head that turns; none where all of it does.</summary>
    internal string[] ShareNames { get; init; } = [];

    /// <summary>That share where no key says it.</summary>
    internal double? Share { get; init; }

    internal string DimName { get; init; } = "partial_rotary_factor";

    /// <summary>The kind of layer, where each has settings of its own.</summary>
    internal string? LayerType { get; init; }

    /// <summary>Whether <c>rope_scaling</c> applies.</summary>
    internal bool HasScaling { get; init; } = true;

    /// <summary>Whether it is Phi-3, whose first files have other names for its scaling.</summary>
    internal bool IsPhi { get; init; }
}
