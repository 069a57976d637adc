using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Three rules that make a base model answer a little like a tuned one, without training (Hewitt et al. 2024): a baseline.</summary>
/// <remarks>The end grows likelier with the answer's length, what was said is less likely again, and some tokens are shifted.</remarks>
public static class RuleBasedAdapter
{
    /// <summary>The rules as a filter of logits, for a sampler or a chat client.</summary>
    /// <exception cref="ConfigurationException">An option is out of its range.</exception>
    public static LogitFilter Filter(RuleBasedAdapterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        OptionsJson.Validate(options, "$.rules");
        if (options.EndTokens.Concat(options.Shifts.Keys).FirstOrDefault(id => id < 0) is < 0 and var negative)
            throw new ConfigurationException("$.rules", $"token {negative} cannot be; tokens count from 0.");
        if (options.Shifts.FirstOrDefault(pair => double.IsNaN(pair.Value) || double.IsPositiveInfinity(pair.Value)) is { Value: not 0 } shift)
            throw new ConfigurationException("$.rules.shifts", FormattableString.Invariant($"the shift of token {shift.Key} is {shift.Value}; give a finite number, or minus infinity for a token that may not come."));
        var (ends, shifted) = ((long[])[.. options.EndTokens], options.Shifts.ToArray());
        var said = RepetitionPenalty.Filter(0, options.RepetitionPenalty);
        return (logits, tokens, promptLength) =>
        {
            if (ends.Concat(shifted.Select(pair => pair.Key)).FirstOrDefault(id => id >= logits.size(-1), -1) is >= 0 and var outside)
                throw new ArgumentException($"The rules name token {outside}, outside the vocabulary of {logits.size(-1)}.", nameof(logits));
            using var scope = NewDisposeScope();
            var bias = new float[logits.size(-1)];
            foreach (var end in ends)
                bias[end] += (float)(options.EndBiasPerToken * (tokens.size(1) - promptLength));
            foreach (var (id, shift) in shifted)
                bias[id] += (float)shift;
            var added = tensor(bias, dtype: logits.dtype, device: logits.device); // (V)
            return (said(logits, tokens, promptLength) + added).MoveToOuterDisposeScope();
        };
    }
}

/// <summary>Options of <see cref="RuleBasedAdapter"/>.</summary>
public sealed class RuleBasedAdapterOptions
{
    /// <summary>Ids that end an answer, which grow likelier with its length.</summary>
    public long[] EndTokens { get; set; } = [];

    /// <summary>What is added to their logits for each token of the answer so far. Default 0.05.</summary>
    [Range(0.0, 1000.0)]
    public double EndBiasPerToken { get; set; } = 0.05;

    /// <summary>What is taken from a token's logit once it has been said in the answer. Default 1.</summary>
    [Range(0.0, 1000.0)]
    public double RepetitionPenalty { get; set; } = 1;

    /// <summary>What is always added to the logits of some tokens, such as those with which base models go astray. None by default.</summary>
    public Dictionary<long, double> Shifts { get; set; } = [];
}
