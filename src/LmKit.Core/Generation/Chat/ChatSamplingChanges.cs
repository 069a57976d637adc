namespace LmKit;

/// <summary>Sampling options that somebody set over those of a sampler; null leaves one as it is.</summary>
internal sealed class ChatSamplingChanges
{
    internal double? Temperature { get; init; }

    internal double? TopP { get; init; }

    internal int? TopK { get; init; }

    internal double? MinP { get; init; }

    internal double? RepetitionPenalty { get; init; }

    internal double? FrequencyPenalty { get; init; }

    internal double? PresencePenalty { get; init; }

    /// <summary>The name of one that is set; null for none.</summary>
    internal string? Named() =>
        Temperature is not null ? nameof(Temperature)
        : TopP is not null ? nameof(TopP)
        : TopK is not null ? nameof(TopK)
        : MinP is not null ? nameof(MinP)
        : RepetitionPenalty is not null ? nameof(RepetitionPenalty)
        : FrequencyPenalty is not null ? nameof(FrequencyPenalty)
        : PresencePenalty is not null ? nameof(PresencePenalty)
        : null;

    internal void Apply(AutoregressiveSamplerOptions options)
    {
        options.Temperature = Temperature ?? options.Temperature;
        options.TopP = TopP ?? options.TopP;
        options.TopK = TopK ?? options.TopK;
        options.MinP = MinP ?? options.MinP;
        options.RepetitionPenalty = RepetitionPenalty ?? options.RepetitionPenalty;
        options.FrequencyPenalty = FrequencyPenalty ?? options.FrequencyPenalty;
        options.PresencePenalty = PresencePenalty ?? options.PresencePenalty;
    }
}
