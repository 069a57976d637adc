using System.ComponentModel.DataAnnotations;
using System.Globalization;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a sampler is asked for: prompts to continue, and what each row of them wants.</summary>
/// <param name="Prompt">(B, L) int64, shorter rows padded on the left with -1; not disposed.</param>
/// <param name="Length">Columns to add after the prompt, at least 0.</param>
public sealed record SampleRequest(Tensor Prompt, long Length)
{
    /// <summary>Sources of randomness on the CPU, one for each row and each row its own; they stay the caller's. Null draws fresh seeds.</summary>
    public IReadOnlyList<Generator>? Generators { get; init; }

    /// <summary>What rows change over the sampler's own options: an entry for each row, or one for all; null, and a null entry, change nothing.</summary>
    public IReadOnlyList<SampleOptions?>? Rows { get; init; }

    /// <summary>Edits of activations, each of one row; null for none.</summary>
    public HookEdits? Edits { get; init; }

    /// <summary>What a row changes over the sampler's own options; null for nothing.</summary>
    public SampleOptions? OptionsOf(int row) => Rows is null ? null : Rows[Rows.Count == 1 ? 0 : row];

    /// <summary>Fails unless a sampler can serve it: length, generators and options for the prompt's rows, and no option but those obeyed.</summary>
    /// <param name="sampler">The sampler, for its name.</param>
    /// <param name="obeyed">Names of the options (<see cref="SampleOptions"/>) that it obeys, and of <see cref="Edits"/> where it does.</param>
    /// <exception cref="ArgumentException">Generators or options do not fit the rows, or a value is out of its range; names it.</exception>
    /// <exception cref="NotSupportedException">An option is set that the sampler does not obey; names both.</exception>
    public void Check(ISampler sampler, params IEnumerable<string> obeyed)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentOutOfRangeException.ThrowIfNegative(Length);
        var rows = Prompt.size(0);
        if (Generators is { } generators && (generators.Count != rows || generators.Contains(null!) || generators.Distinct().Count() != rows))
            throw new ArgumentException($"{nameof(Generators)} holds {generators.Where(one => one is not null).Distinct().Count()} generators for the prompt's {rows} rows; give each row its own.");
        if (Edits is { IsEmpty: false })
        {
            Edits.CheckRows(rows);
            if (!obeyed.Contains(nameof(Edits)))
                throw new NotSupportedException($"{sampler.GetType().Name} cannot obey {nameof(Edits)} = [{string.Join(", ", Edits.Points)}]; leave it out.");
        }
        if (Rows is null)
            return;
        if (Rows.Count != 1 && Rows.Count != rows)
            throw new ArgumentException($"{nameof(Rows)} holds options for {Rows.Count} rows where the prompt has {rows}; give each row an entry, or one for all.");
        foreach (var options in Rows.Distinct())
        {
            if (options is null)
                continue;
            OptionRanges.Check(options);
            if (options.Filters?.Contains(null!) == true)
                throw new ArgumentException($"{nameof(SampleOptions.Filters)} holds null; leave it out.");
            foreach (var (name, value) in options.Named())
            {
                if (!obeyed.Contains(name))
                    throw new NotSupportedException($"{sampler.GetType().Name} cannot obey {name} = {value}; leave it out.");
            }
        }
    }
}

/// <summary>How tokens are drawn, over what a sampler is configured with: null leaves an option as it is there.</summary>
public class SampleOptions
{
    /// <summary>Divides the logits; 0 takes the most likely token.</summary>
    [Range(0.0, 1000.0)]
    public double? Temperature { get; set; }

    /// <summary>Keeps the smallest set of most likely tokens whose probability reaches it; 1 keeps all.</summary>
    [Range(0.0, 1.0)]
    public double? TopP { get; set; }

    /// <summary>Keeps as many of the most likely tokens; 0 keeps all.</summary>
    [Range(0, int.MaxValue)]
    public int? TopK { get; set; }

    /// <summary>Drops tokens less likely than this share of the most likely one; 0 keeps all.</summary>
    [Range(0.0, 1.0)]
    public double? MinP { get; set; }

    /// <summary>Divides positive and multiplies negative logits of tokens already present; 1 changes nothing.</summary>
    [Range(0.01, 100.0)]
    public double? RepetitionPenalty { get; set; }

    /// <summary>Subtracted from a token's logit once per earlier occurrence after the prompt.</summary>
    [Range(-100.0, 100.0)]
    public double? FrequencyPenalty { get; set; }

    /// <summary>Subtracted from the logit of a token that already occurred after the prompt.</summary>
    [Range(-100.0, 100.0)]
    public double? PresencePenalty { get; set; }

    /// <summary>Further ids that end a row, beside the sampler's own.</summary>
    public IReadOnlyList<long>? StopTokens { get; set; }

    /// <summary>Further filters of the logits, after those that the sampler was given and before those of its options.</summary>
    public IReadOnlyList<LogitFilter>? Filters { get; set; }

    /// <summary>The options that are set, with their values as text.</summary>
    internal virtual IEnumerable<(string Name, string Value)> Named()
    {
        (string, object?)[] all =
        [
            (nameof(Temperature), Temperature), (nameof(TopP), TopP), (nameof(TopK), TopK), (nameof(MinP), MinP), (nameof(RepetitionPenalty), RepetitionPenalty),
            (nameof(FrequencyPenalty), FrequencyPenalty), (nameof(PresencePenalty), PresencePenalty),
        ];
        foreach (var (name, value) in all)
        {
            if (value is not null)
                yield return (name, Convert.ToString(value, CultureInfo.InvariantCulture)!);
        }
        if (StopTokens is { Count: > 0 })
            yield return (nameof(StopTokens), $"[{string.Join(", ", StopTokens)}]");
        if (Filters is { Count: > 0 })
            yield return (nameof(Filters), $"[{Filters.Count} of them]");
    }
}

/// <summary>Changes next-token logits before the draw: temperature, truncation, penalties, a grammar.</summary>
/// <remarks>What it gives for a row depends on that row alone.</remarks>
/// <param name="logits">(B, V), from a sampler in float32 or wider; not changed in place.</param>
/// <param name="tokens">The grid so far (B, L) int64, -1 for padding and ended rows.</param>
/// <param name="promptLength">Columns of the grid that are the prompt.</param>
/// <returns>New logits (B, V), in the caller's dispose scope; negative infinity forbids a token.</returns>
public delegate Tensor LogitFilter(Tensor logits, Tensor tokens, long promptLength);
