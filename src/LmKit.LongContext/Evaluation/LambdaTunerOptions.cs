using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>What is tried when a Lambda mask is chosen for a model.</summary>
public sealed class LambdaTunerOptions
{
    /// <summary>Numbers of starting tokens G to try. Default 0, 1, 4 and 10.</summary>
    public IReadOnlyList<long> GlobalLengths { get; set; } = [0, 1, 4, 10];

    /// <summary>Windows L to try, as shares of the longest that the trained length and the budget allow; above 0, at most 1. Default 1, 3/4, 1/2 and 1/4.</summary>
    public IReadOnlyList<double> WindowShares { get; set; } = [1, 0.75, 0.5, 0.25];

    /// <summary>A token before each text, as the model was trained; null, the default, for none.</summary>
    public int? PrefixToken { get; set; }

    /// <summary>Tokens of a call, in the trial as later in use: the buffers have room for them. Default 256.</summary>
    [Range(1, 1 << 20)]
    public int ChunkLength { get; set; } = 256;

    /// <summary>Texts of one length that are read side by side. Default 1.</summary>
    [Range(1, 1 << 16)]
    public int BatchSize { get; set; } = 1;

    internal void Check()
    {
        const string Name = nameof(LambdaTunerOptions);
        OptionRanges.Check(this);
        ArgumentNullException.ThrowIfNull(GlobalLengths);
        ArgumentNullException.ThrowIfNull(WindowShares);
        if (GlobalLengths.Count == 0 || WindowShares.Count == 0)
            throw new ArgumentException($"{Name}.{(GlobalLengths.Count == 0 ? nameof(GlobalLengths) : nameof(WindowShares))} is empty, so there is nothing to try.");
        if (GlobalLengths.FirstOrDefault(length => length < 0) is var negative and < 0)
            throw new ArgumentException($"{Name}.{nameof(GlobalLengths)} holds {negative}; a number of tokens is 0 or more.");
        if (WindowShares.FirstOrDefault(share => !(share > 0 && share <= 1), 1) is var share && share != 1)
            throw new ArgumentException(FormattableString.Invariant($"{Name}.{nameof(WindowShares)} holds {share}; a share is above 0 and at most 1."));
    }
}
