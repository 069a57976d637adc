using System.ComponentModel.DataAnnotations;

namespace LmKit;

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
