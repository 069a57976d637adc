using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>How rotary's frequencies are changed so that a model reads texts longer than those it was trained on.</summary>
/// <remarks>f_k = base^(-2k/R) are the frequencies without it; F is the factor, O the trained length. In JSON the member <c>rope_type</c>
/// comes first and says which scaling it is; the other members have the published names. Each scaling has the parameters that it uses and
/// no others.</remarks>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "rope_type")]
[JsonDerivedType(typeof(LinearRotaryScaling), "linear")]
[JsonDerivedType(typeof(NtkRotaryScaling), "ntk")]
[JsonDerivedType(typeof(DynamicRotaryScaling), "dynamic")]
[JsonDerivedType(typeof(YarnRotaryScaling), "yarn")]
[JsonDerivedType(typeof(Llama3RotaryScaling), "llama3")]
[JsonDerivedType(typeof(LongRotaryScaling), "longrope")]
public abstract class RotaryScaling
{
    private protected RotaryScaling()
    {
    }

    /// <summary>Tokens of a text up to which its frequencies are always the same; null where they are at any length.</summary>
    internal virtual long? Border => null;

    /// <summary>The frequencies of a text.</summary>
    /// <param name="rotaryDim">Features that turn, R.</param>
    /// <param name="wavelength">The base.</param>
    /// <param name="length">Tokens of the text.</param>
    internal abstract RotaryFrequencies Frequencies(long rotaryDim, double wavelength, long length);

    /// <summary>What keeps it from scaling heads of a width, or null.</summary>
    internal virtual string? Fault(long rotaryDim, double wavelength) => null;

    private protected static double[] Scaled(long rotaryDim, double wavelength, Func<int, double, double> scale) =>
        [.. RotaryFrequencies.Plain(rotaryDim, wavelength).ToArray().Select((frequency, k) => scale(k, frequency))];

    private protected static ValidationResult Problem(string property, IFormattable value, string problem) =>
        new($"{property} = {value.ToString(null, CultureInfo.InvariantCulture)} {problem}");
}

/// <summary>Positions divided by a factor: f_k / F (Chen et al. 2023, position interpolation).</summary>
public sealed class LinearRotaryScaling : RotaryScaling
{
    /// <summary>The factor F; 1 or more, no default.</summary>
    [Range(1.0, 1e6)]
    public double Factor { get; set; }

    internal override RotaryFrequencies Frequencies(long rotaryDim, double wavelength, long length) =>
        new(Scaled(rotaryDim, wavelength, (_, frequency) => frequency / Factor));
}

/// <summary>A larger base, base * F^(R/(R-2)): the slowest pair turns F times slower, the fastest as before (NTK-aware scaling).</summary>
public sealed class NtkRotaryScaling : RotaryScaling
{
    /// <summary>The factor F; 1 or more, no default.</summary>
    [Range(1.0, 1e6)]
    public double Factor { get; set; }

    internal override RotaryFrequencies Frequencies(long rotaryDim, double wavelength, long length) => RotaryFrequencies.Plain(rotaryDim, RotaryGrowth.Stretched(wavelength, Factor, rotaryDim));
}

/// <summary>A base that grows with the text: base * (F N/O - (F-1))^(R/(R-2)) for a text of N tokens beyond the trained length O (dynamic
/// NTK).</summary>
/// <remarks>Frequencies are those without scaling up to O. Beyond it they change with every token, so a text is read in one call, unless
/// <see cref="IsPerToken"/> gives each position its own.</remarks>
public sealed class DynamicRotaryScaling : RotaryScaling
{
    /// <summary>The factor F; 1 or more, no default.</summary>
    [Range(1.0, 1e6)]
    public double Factor { get; set; }

    /// <summary>The trained length O; no default. Published files that lack it say it as max_position_embeddings.</summary>
    [Range(1, int.MaxValue)]
    [JsonPropertyName("original_max_position_embeddings")]
    public long OriginalLength { get; set; }

    /// <summary>Whether each position has the frequencies of the text that ends with it, N = position + 1, whatever the text goes on to. Default
    /// false: N is the length of the whole text.</summary>
    /// <remarks>This is what a text gets from the published code if it is read token by token with a cache, which keeps the keys as they were
    /// turned. Texts then grow beyond O with a carried state, and calls of any lengths give the same; scores beyond O depend on where query
    /// and key stand and not on their distance alone, so masks that change distances are refused.</remarks>
    public bool IsPerToken { get; set; }

    internal override long? Border => IsPerToken ? null : OriginalLength;

    internal override RotaryFrequencies Frequencies(long rotaryDim, double wavelength, long length)
    {
        var growth = new RotaryGrowth(wavelength, Factor, OriginalLength);
        return IsPerToken
            ? new RotaryFrequencies(RotaryFrequencies.Plain(rotaryDim, wavelength).ToArray(), growth: growth)
            : RotaryFrequencies.Plain(rotaryDim, growth.BaseOf(length, rotaryDim));
    }
}

/// <summary>Pairs that turn often within the trained length stay, slow ones are divided by F, with a ramp between, and scores grow (Peng et
/// al. 2023, YaRN).</summary>
/// <remarks>The pair that turns t times within O is D(t) = R ln(O/(2 pi t)) / (2 ln base). The ramp goes from D(beta_fast) to D(beta_slow).
/// Cosines and sines are multiplied by the attention factor: the given one, or m(mscale)/m(mscale_all_dim), or m(1), where
/// m(c) = 0.1 c ln F + 1, and 1 for F = 1.</remarks>
public sealed class YarnRotaryScaling : RotaryScaling, IValidatableObject
{
    /// <summary>The factor F; 1 or more, no default.</summary>
    [Range(1.0, 1e6)]
    public double Factor { get; set; }

    /// <summary>The trained length O; no default.</summary>
    [Range(1, int.MaxValue)]
    [JsonPropertyName("original_max_position_embeddings")]
    public long OriginalLength { get; set; }

    /// <summary>Turns within O from which a pair stays as it was. Default 32.</summary>
    [Range(1e-6, 1e6)]
    public double BetaFast { get; set; } = 32;

    /// <summary>Turns within O up to which a pair is divided by F. Default 1.</summary>
    [Range(1e-6, 1e6)]
    public double BetaSlow { get; set; } = 1;

    /// <summary>Whether the ends of the ramp are moved outwards to whole pairs. Default true.</summary>
    [JsonPropertyName("truncate")]
    public bool Truncates { get; set; } = true;

    /// <summary>The attention factor; null, the default, for the one that follows from F.</summary>
    [Range(1e-6, 1e6)]
    public double? AttentionFactor { get; set; }

    /// <summary>The share of ln F in the attention factor's numerator; goes with <see cref="MscaleAllDim"/>. Default null.</summary>
    [Range(1e-6, 1e6)]
    public double? Mscale { get; set; }

    /// <summary>The share of ln F in its denominator; goes with <see cref="Mscale"/>. Default null.</summary>
    [Range(1e-6, 1e6)]
    public double? MscaleAllDim { get; set; }

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext validationContext)
    {
        if (BetaFast < BetaSlow)
            yield return Problem(nameof(BetaFast), BetaFast, $"is below {nameof(BetaSlow)} = {BetaSlow.ToString(CultureInfo.InvariantCulture)}; pairs that turn fast stay as they are.");
        if (AttentionFactor is not null && (Mscale ?? MscaleAllDim) is { } unused)
            yield return Problem(Mscale is null ? nameof(MscaleAllDim) : nameof(Mscale), unused, $"has no effect beside {nameof(AttentionFactor)}; leave one of them out.");
        if (AttentionFactor is null && Mscale is null != MscaleAllDim is null)
            yield return Problem(Mscale is null ? nameof(MscaleAllDim) : nameof(Mscale), (Mscale ?? MscaleAllDim)!, $"has no effect without {(Mscale is null ? nameof(Mscale) : nameof(MscaleAllDim))}; give both or neither.");
    }

    internal override string? Fault(long rotaryDim, double wavelength) => wavelength > 1 ? null : "needs a base above 1; pairs that all turn alike have no ramp";

    internal override RotaryFrequencies Frequencies(long rotaryDim, double wavelength, long length)
    {
        var (low, high) = (PairOf(BetaFast), PairOf(BetaSlow));
        if (Truncates)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, rotaryDim - 1));
        if (low == high)
            high += 0.001;
        var values = Scaled(rotaryDim, wavelength, (k, frequency) =>
        {
            var ramp = Math.Clamp((k - low) / (high - low), 0, 1);
            return (frequency * (1 - ramp)) + (frequency / Factor * ramp);
        });
        return new(values, AttentionFactor ?? Growth(Mscale ?? 1) / (MscaleAllDim is { } all ? Growth(all) : 1));

        double PairOf(double turns) => rotaryDim * Math.Log(OriginalLength / (2 * Math.PI * turns)) / (2 * Math.Log(wavelength));

        double Growth(double share) => Factor <= 1 ? 1 : (0.1 * share * Math.Log(Factor)) + 1;
    }
}

/// <summary>Pairs whose wave is shorter than O/hi stay, those longer than O/lo are divided by F, with a ramp between (Llama 3.1).</summary>
/// <remarks>f_k (s + (1-s)/F) with s = clamp((O f_k/(2 pi) - lo)/(hi - lo), 0, 1), at every length.</remarks>
public sealed class Llama3RotaryScaling : RotaryScaling, IValidatableObject
{
    /// <summary>The factor F; 1 or more, no default.</summary>
    [Range(1.0, 1e6)]
    public double Factor { get; set; }

    /// <summary>The trained length O; no default.</summary>
    [Range(1, int.MaxValue)]
    [JsonPropertyName("original_max_position_embeddings")]
    public long OriginalLength { get; set; }

    /// <summary>Turns within O up to which a pair is divided by F, lo. Default 1, as published.</summary>
    [Range(0.0, 1e6)]
    [JsonPropertyName("low_freq_factor")]
    public double LowFrequencyFactor { get; set; } = 1;

    /// <summary>Turns within O from which a pair stays as it was, hi. Default 4, as published.</summary>
    [Range(1e-6, 1e6)]
    [JsonPropertyName("high_freq_factor")]
    public double HighFrequencyFactor { get; set; } = 4;

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext validationContext)
    {
        if (HighFrequencyFactor <= LowFrequencyFactor)
            yield return Problem(nameof(HighFrequencyFactor), HighFrequencyFactor, $"is not above {nameof(LowFrequencyFactor)} = {LowFrequencyFactor.ToString(CultureInfo.InvariantCulture)}.");
    }

    internal override RotaryFrequencies Frequencies(long rotaryDim, double wavelength, long length) => new(Scaled(rotaryDim, wavelength, (_, frequency) =>
    {
        var turns = OriginalLength * frequency / (2 * Math.PI);
        var kept = Math.Clamp((turns - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor), 0, 1);
        return frequency * (kept + ((1 - kept) / Factor));
    }));
}

/// <summary>Each pair is divided by a number of its own, from one list up to the trained length and from another beyond (Ding et al. 2024,
/// LongRoPE; Phi-3).</summary>
/// <remarks>f_k / short_factor[k] for a text of at most O tokens, f_k / long_factor[k] for a longer one. Cosines and sines are multiplied by
/// the attention factor at every length: the given one, or sqrt(1 + ln F / ln O), and 1 for F = 1.</remarks>
public sealed class LongRotaryScaling : RotaryScaling, IValidatableObject
{
    /// <summary>The trained length O; no default.</summary>
    [Range(2, int.MaxValue)]
    [JsonPropertyName("original_max_position_embeddings")]
    public long OriginalLength { get; set; }

    /// <summary>What pairs are divided by up to the trained length: R/2 positive numbers; no default.</summary>
    public IReadOnlyList<double> ShortFactor { get; set; } = [];

    /// <summary>What pairs are divided by beyond it: R/2 positive numbers; no default.</summary>
    public IReadOnlyList<double> LongFactor { get; set; } = [];

    /// <summary>The longest length over O, F, from which the attention factor follows: max_position_embeddings / O in published files. Either
    /// this or <see cref="AttentionFactor"/> is given.</summary>
    [Range(1.0, 1e6)]
    public double? Factor { get; set; }

    /// <summary>The attention factor itself.</summary>
    [Range(1e-6, 1e6)]
    public double? AttentionFactor { get; set; }

    internal override long? Border => OriginalLength;

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext validationContext)
    {
        foreach (var (name, list) in new[] { (nameof(ShortFactor), ShortFactor), (nameof(LongFactor), LongFactor) })
        {
            if (list.Count == 0)
                yield return new($"{name} is empty; it holds a number for each pair of features that turns.");
            if (list.FirstOrDefault(number => !(number > 0 && double.IsFinite(number)), 1) is var wrong and not 1)
                yield return Problem($"{name}[{list.ToList().IndexOf(wrong)}]", wrong, "is not a positive, finite number.");
        }
        if (Factor is { } factor && AttentionFactor is not null)
            yield return Problem(nameof(Factor), factor, $"has no effect beside {nameof(AttentionFactor)}; leave one of them out.");
        if (Factor is null && AttentionFactor is null)
            yield return new($"{nameof(Factor)} and {nameof(AttentionFactor)} are both missing; give the longest length over {nameof(OriginalLength)} as {nameof(Factor)}, or the attention factor itself.");
    }

    internal override string? Fault(long rotaryDim, double wavelength)
    {
        var (name, count) = ShortFactor.Count != rotaryDim / 2 ? (nameof(ShortFactor), ShortFactor.Count) : (nameof(LongFactor), LongFactor.Count);
        return count == rotaryDim / 2 ? null : $"has {count} numbers in {name}; {rotaryDim} features of a head turn, so {rotaryDim / 2} are needed";
    }

    internal override RotaryFrequencies Frequencies(long rotaryDim, double wavelength, long length)
    {
        var factors = length > OriginalLength ? LongFactor : ShortFactor;
        return new(
            Scaled(rotaryDim, wavelength, (k, frequency) => frequency / factors[k]),
            AttentionFactor ?? (Factor > 1 ? Math.Sqrt(1 + (Math.Log(Factor.Value) / Math.Log(OriginalLength))) : 1));
    }
}
