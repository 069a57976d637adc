using System.Text.Json.Serialization;

namespace LmKit;

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
