using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>How a model is diagnosed beyond its trained length.</summary>
public sealed class LengthDiagnosisOptions
{
    /// <summary>The window L of the policies that have one; 0, the default, stands for the trained length less <see cref="GlobalLength"/>.</summary>
    [Range(0L, long.MaxValue)]
    public long LocalLength { get; set; }

    /// <summary>The starting tokens G of the policies that keep them, at least 1. Default 4.</summary>
    [Range(1L, long.MaxValue)]
    public long GlobalLength { get; set; } = 4;

    /// <summary>The ceiling D; null, the default, stands for L.</summary>
    [Range(0L, long.MaxValue)]
    public long? DistanceCeiling { get; set; }

    /// <summary>A token before each text, as the model was trained; null, the default, for none.</summary>
    public int? PrefixToken { get; set; }

    /// <summary>Tokens of a call; memory grows with it, results do not change. Default 256.</summary>
    [Range(1, 1 << 20)]
    public int ChunkLength { get; set; } = 256;

    /// <summary>Texts of one length that are read side by side. Default 1.</summary>
    [Range(1, 1 << 16)]
    public int BatchSize { get; set; } = 1;

    /// <summary>Nats a token from which a factor counts as failing, beyond two standard errors. Default 0.05.</summary>
    [Range(0.0, 100.0)]
    public double Margin { get; set; } = 0.05;

    /// <summary>Whether the scores of attention are read too, which takes about as long again as dense attention. Default true.</summary>
    public bool ReadsAttention { get; set; } = true;

    internal LambdaMaskOptions Lambda(long trainedLength)
    {
        var window = LocalLength > 0 ? LocalLength : trainedLength - GlobalLength;
        if (window < 1)
            throw new ArgumentException($"{nameof(LengthDiagnosisOptions)}.{nameof(GlobalLength)} = {GlobalLength} leaves no window of the trained length {trainedLength}; give {nameof(LocalLength)}, or fewer starting tokens.");
        if (window > trainedLength)
            throw new ArgumentException($"{nameof(LengthDiagnosisOptions)}.{nameof(LocalLength)} = {window} is longer than the trained length {trainedLength}; a window shows trained distances only.");
        return new LambdaMaskOptions { LocalLength = window, GlobalLength = GlobalLength, DistanceCeiling = DistanceCeiling };
    }
}
