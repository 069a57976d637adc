using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of next-token sampling; the order of the filters is penalties, temperature, top-k, top-p, min-p.</summary>
public sealed class AutoregressiveSamplerOptions
{
    /// <summary>Divides the logits; 0 takes the most likely token, and so do values too small to divide by. Default 1.</summary>
    [Range(0.0, 1000.0)]
    public double Temperature { get; set; } = 1;

    /// <summary>Keeps the k most likely tokens; 0 keeps all, the default.</summary>
    [Range(0, int.MaxValue)]
    public int TopK { get; set; }

    /// <summary>Keeps the smallest set of most likely tokens whose probability reaches p; 1 keeps all, the default.</summary>
    [Range(0.0, 1.0)]
    public double TopP { get; set; } = 1;

    /// <summary>Drops tokens less likely than this share of the most likely one; 0 keeps all, the default.</summary>
    [Range(0.0, 1.0)]
    public double MinP { get; set; }

    /// <summary>Divides positive and multiplies negative logits of tokens already present; 1 changes nothing, the default.</summary>
    [Range(0.01, 100.0)]
    public double RepetitionPenalty { get; set; } = 1;

    /// <summary>Subtracted from a token's logit once per earlier occurrence after the prompt. Default 0.</summary>
    [Range(-100.0, 100.0)]
    public double FrequencyPenalty { get; set; }

    /// <summary>Subtracted from the logit of a token that already occurred after the prompt. Default 0.</summary>
    [Range(-100.0, 100.0)]
    public double PresencePenalty { get; set; }

    /// <summary>Token ids that end a row; the id itself is kept in the grid.</summary>
    public long[] StopTokens { get; set; } = [];

    /// <summary>A copy whose values are in range.</summary>
    /// <exception cref="ArgumentException">A value is out of its range, or a stop token outside the vocabulary; names it.</exception>
    internal AutoregressiveSamplerOptions Checked(long vocabSize)
    {
        OptionRanges.Check(this);
        var copy = (AutoregressiveSamplerOptions)MemberwiseClone();
        copy.StopTokens = [.. StopTokens ?? []];
        for (var index = 0; index < copy.StopTokens.Length; index++)
        {
            if (copy.StopTokens[index] is var stop && (stop < 0 || stop >= vocabSize))
                throw new ArgumentException($"{nameof(AutoregressiveSamplerOptions)}.{nameof(StopTokens)}[{index}] = {stop} is outside the vocabulary of {vocabSize}.");
        }
        return copy;
    }

    /// <summary>A copy with what a row changes.</summary>
    /// <exception cref="ArgumentException">A stop token lies outside the vocabulary; names it.</exception>
    internal AutoregressiveSamplerOptions Over(SampleOptions row, long vocabSize)
    {
        if (row.StopTokens?.Any(stop => stop < 0 || stop >= vocabSize) == true)
            throw new ArgumentException($"{nameof(StopTokens)} holds {row.StopTokens.First(stop => stop < 0 || stop >= vocabSize)}, which is outside the vocabulary of {vocabSize}.", nameof(row));
        var copy = (AutoregressiveSamplerOptions)MemberwiseClone();
        copy.Temperature = row.Temperature ?? Temperature;
        copy.TopK = row.TopK ?? TopK;
        copy.TopP = row.TopP ?? TopP;
        copy.MinP = row.MinP ?? MinP;
        copy.RepetitionPenalty = row.RepetitionPenalty ?? RepetitionPenalty;
        copy.FrequencyPenalty = row.FrequencyPenalty ?? FrequencyPenalty;
        copy.PresencePenalty = row.PresencePenalty ?? PresencePenalty;
        return copy;
    }

    /// <summary>Whether filters and draw are the same, stop tokens aside.</summary>
    internal bool DrawsAs(AutoregressiveSamplerOptions other) =>
        (Temperature, TopK, TopP, MinP, RepetitionPenalty, FrequencyPenalty, PresencePenalty)
        == (other.Temperature, other.TopK, other.TopP, other.MinP, other.RepetitionPenalty, other.FrequencyPenalty, other.PresencePenalty);
}

/// <summary>Next-token sampling as a component.</summary>
public static class AutoregressiveSamplerComponent
{
    /// <summary>The autoregressive sampler.</summary>
    public static readonly Kind<AutoregressiveSamplerOptions, ISampler> Kind = Slots.Sampler.Define<AutoregressiveSamplerOptions>("autoregressive", (options, model) => new AutoregressiveSampler(model, options));

    /// <summary>Chooses next-token sampling; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddAutoregressiveSampler(this LanguageModelBuilder builder, Action<AutoregressiveSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure);
    }
}
