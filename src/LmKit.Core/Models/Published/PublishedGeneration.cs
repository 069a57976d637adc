using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>Generation settings of a published model: those of <c>generation_config.json</c>, or where it is missing the same keys of
/// <c>config.json</c>.</summary>
internal sealed class PublishedGeneration
{
    private const string Remedy = "give the model a sampler of your own (AddAutoregressiveSampler in the change)";

    private readonly PublishedConfig? file;
    private readonly AutoregressiveSamplerOptions sampler = new() { Temperature = 0 };

    private PublishedGeneration(PublishedConfig? file) => this.file = file;

    /// <summary>What the settings ask for and the sampler cannot do.</summary>
    internal ConfigurationException? Fault { get; private set; }

    internal IEnumerable<string> Unread => file?.Unread ?? [];

    internal static PublishedGeneration Read(PublishedConfig config, PublishedConfig? file, long vocabSize, Func<ConfigurationException, ConfigurationException> ofFile)
    {
        var generation = new PublishedGeneration(file);
        try
        {
            generation.Read(file ?? config, vocabSize);
            // A file without stop tokens leaves those of the model.
            if (generation.sampler.StopTokens.Length == 0 && file is not null && !file.Has("eos_token_id"))
                generation.sampler.StopTokens = Stops(config, vocabSize);
        }
        catch (ConfigurationException error)
        {
            generation.Fault = file is null ? error : ofFile(error);
        }
        _ = config.Raw("eos_token_id");
        _ = (file ?? config).Raw("max_new_tokens"); // of chats, which read it themselves
        return generation;
    }

    internal void Fill(AutoregressiveSamplerOptions options)
    {
        (options.Temperature, options.TopK, options.TopP, options.MinP) = (sampler.Temperature, sampler.TopK, sampler.TopP, sampler.MinP);
        (options.RepetitionPenalty, options.StopTokens) = (sampler.RepetitionPenalty, sampler.StopTokens);
    }

    private void Read(PublishedConfig settings, long vocabSize)
    {
        sampler.StopTokens = Stops(settings, vocabSize);
        var isSampling = settings.Flag(false, "do_sample");
        var (temperature, topK, topP, minP) = (
            settings.TryNumber(0, 1000, "temperature"),
            settings.TrySize(0, int.MaxValue, "top_k"),
            settings.TryNumber(0, 1, "top_p"),
            settings.TryNumber(0, 1, "min_p"));
        sampler.RepetitionPenalty = settings.TryNumber(0.01, 100, "repetition_penalty") ?? 1;
        if (isSampling)
        {
            sampler.Temperature = temperature ?? 1;
            sampler.TopK = (int)(topK ?? (settings.Has("top_k") ? 0 : 50));
            sampler.TopP = topP ?? 1;
            sampler.MinP = minP ?? 0;
        }
        foreach (var (name, harmless) in isSampling ? [.. unsupported, .. unsupportedDraws] : unsupported)
            settings.Refuse(name, $"is not something that the sampler does; {Remedy}", node => IsNumber(node, harmless) || node is JsonArray { Count: 0 });
    }

    private static long[] Stops(PublishedConfig settings, long vocabSize)
    {
        var stops = settings.TryIds("eos_token_id") ?? [];
        return Array.Find(stops, stop => stop < 0 || stop >= vocabSize) is var outside && Array.Exists(stops, stop => stop < 0 || stop >= vocabSize)
            ? throw new ConfigurationException(settings.Place("eos_token_id"), FormattableString.Invariant($"holds {outside}, which is outside the vocabulary of {vocabSize}; correct it, or {Remedy}"))
            : [.. stops.Distinct()];
    }

    private static bool IsNumber(JsonNode node, double number) => node is JsonValue value && value.TryGetValue(out double found) && found == number;

    // What changes the tokens, with the number that changes nothing.
    private static readonly (string Name, double Harmless)[] unsupported =
    [
        ("num_beams", 1), ("num_beam_groups", 1), ("penalty_alpha", 0), ("no_repeat_ngram_size", 0), ("encoder_no_repeat_ngram_size", 0),
        ("encoder_repetition_penalty", 1), ("diversity_penalty", 0), ("guidance_scale", 1), ("min_length", 0),
        ("min_new_tokens", 0), ("bad_words_ids", double.NaN), ("force_words_ids", double.NaN), ("constraints", double.NaN), ("forced_bos_token_id", double.NaN),
        ("forced_eos_token_id", double.NaN), ("suppress_tokens", double.NaN), ("begin_suppress_tokens", double.NaN), ("sequence_bias", double.NaN),
        ("exponential_decay_length_penalty", double.NaN), ("watermarking_config", double.NaN), ("stop_strings", double.NaN), ("dola_layers", double.NaN), ("token_healing", double.NaN),
    ];

    // What changes drawn tokens and not the most likely one.
    private static readonly (string Name, double Harmless)[] unsupportedDraws = [("typical_p", 1), ("epsilon_cutoff", 0), ("eta_cutoff", 0)];
}
