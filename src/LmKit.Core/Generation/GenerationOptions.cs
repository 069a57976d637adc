using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>How a text is generated, in the words of <see cref="ChatOptions"/>: what is null is as the sampler is configured.</summary>
public class GenerationOptions : SampleOptions
{
    /// <summary>Most tokens to add; a model that can read no further ends a text earlier. Null stands for 256.</summary>
    [Range(0, int.MaxValue)]
    public int? MaxOutputTokens { get; set; }

    /// <summary>Texts that end a row; they are matched on the text, wherever token borders fall, and not returned. Empty ones are passed over.</summary>
    public IReadOnlyList<string>? StopSequences { get; set; }

    /// <summary>Seed of the draws; null for a fresh one each time.</summary>
    /// <remarks>Where one set of options serves several prompts, prompt i draws from Seed + i: alone with that seed it gives the same text.</remarks>
    public long? Seed { get; set; }

    /// <summary>Whether special tokens in a prompt become their ids, for prompts that are the app's own; by default they are ordinary text, so that
    /// untrusted text never becomes one.</summary>
    public bool AllowSpecialTokens { get; set; }

    /// <summary>A copy with what a request leaves open filled from these; stop sequences, stop tokens and filters of both count.</summary>
    internal GenerationOptions Under(ChatOptions? request)
    {
        var copy = (GenerationOptions)MemberwiseClone();
        (copy.StopSequences, copy.StopTokens, copy.Filters) = (StopSequences?.ToArray(), StopTokens?.ToArray(), Filters?.ToArray());
        if (request is null)
            return copy;
        copy.Temperature = request.Temperature ?? Temperature;
        copy.TopP = request.TopP ?? TopP;
        copy.TopK = request.TopK ?? TopK;
        copy.FrequencyPenalty = request.FrequencyPenalty ?? FrequencyPenalty;
        copy.PresencePenalty = request.PresencePenalty ?? PresencePenalty;
        copy.MaxOutputTokens = request.MaxOutputTokens ?? MaxOutputTokens;
        copy.Seed = request.Seed ?? Seed;
        if (request.StopSequences is { Count: > 0 } stops)
            copy.StopSequences = [.. StopSequences ?? [], .. stops];
        return copy;
    }

    /// <inheritdoc/>
    /// <remarks>A sampler that is handed these as a row's options refuses what only a <see cref="TextGenerator"/> obeys.</remarks>
    internal override IEnumerable<(string Name, string Value)> Named()
    {
        foreach (var named in base.Named())
            yield return named;
        if (MaxOutputTokens is { } most)
            yield return (nameof(MaxOutputTokens), most.ToString(CultureInfo.InvariantCulture));
        if (StopSequences is { Count: > 0 })
            yield return (nameof(StopSequences), $"['{string.Join("', '", StopSequences)}']");
        if (Seed is { } seed)
            yield return (nameof(Seed), seed.ToString(CultureInfo.InvariantCulture));
        if (AllowSpecialTokens)
            yield return (nameof(AllowSpecialTokens), "true");
    }

    /// <summary>What a sampler is asked to change; null for nothing. The text's end is the reader's business.</summary>
    internal SampleOptions? Draws()
    {
        var draws = new SampleOptions
        {
            Temperature = Temperature,
            TopP = TopP,
            TopK = TopK,
            MinP = MinP,
            RepetitionPenalty = RepetitionPenalty,
            FrequencyPenalty = FrequencyPenalty,
            PresencePenalty = PresencePenalty,
            Filters = Filters,
        };
        return draws.Named().Any() ? draws : null;
    }
}

/// <summary>What a generation has to show of one of its texts.</summary>
/// <param name="Row">The prompt's index.</param>
/// <param name="Text">Whole characters; empty where only the end is told.</param>
public sealed record TextUpdate(int Row, string Text)
{
    /// <summary>Whether the text stands in place of all that was shown of the row, as versions of a diffusion sampler do, and is not appended.</summary>
    public bool Replaces { get; init; }

    /// <summary>In a row's last update, why it ended: a stop, or its length.</summary>
    public ChatFinishReason? FinishReason { get; init; }

    /// <summary>In a row's last update, the tokens of prompt and text.</summary>
    public UsageDetails? Usage { get; init; }
}
