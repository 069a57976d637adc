using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of Monarch linears.</summary>
public sealed class MonarchOptions
{
    /// <summary>Blocks of each factor (nblocks); widths that it does not divide are padded with zeros. More blocks are smaller and
    /// faster: a square layer has 2/nblocks of a dense layer's parameters. Default 4 (the authors' code).</summary>
    [Range(1, 65536)]
    [JsonPropertyName("nblocks")]
    public int BlockCount { get; set; } = 4;

    /// <summary>How the factors start. Default the authors' code.</summary>
    public MonarchInitialization Initialization { get; set; }
}

/// <summary>How the factors of a <see cref="MonarchLinear"/> start.</summary>
public enum MonarchInitialization
{
    /// <summary>Each factor from U(-1/sqrt(f), 1/sqrt(f)), f its own block width: the authors' code. The layer's output is then
    /// sqrt(3) smaller than a dense layer's.</summary>
    Official,

    /// <summary>As <see cref="Official"/> with the second factor times sqrt(3), which gives the output scale of a dense layer.</summary>
    DenseMatched,

    /// <summary>Each factor from N(0, std^2) with std = sqrt(1/f) min(1, sqrt(g/f)), f and g its block's in and out widths, bias 0, and
    /// structure-aware learning-rate factors (Qiu et al. 2024).</summary>
    [JsonStringEnumMemberName("mup")]
    MuP,
}

/// <summary>The Monarch linear as a component.</summary>
public static class MonarchComponent
{
    /// <summary>The Monarch linear.</summary>
    public static readonly Kind<MonarchOptions, ILinear> Kind = Slots.Linear.Define<MonarchOptions>("monarch", (options, site) => new MonarchLinear(options, site));

    /// <summary>Puts Monarch linears at sites.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="sites">Site patterns (<see cref="LinearSite.Matches"/>); null for all linears of layers.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddMonarchLinear(
        this LanguageModelBuilder builder,
        Action<MonarchOptions>? configure = null,
        string[]? sites = null,
        int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers, sites);
    }

    /// <summary>Adds every kind of LmKit.Structured, so that saved models which name them can be loaded.</summary>
    public static ComponentRegistry AddStructured(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry.Add(Kind);
    }
}
