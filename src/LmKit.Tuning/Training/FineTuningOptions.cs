using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of <see cref="FineTuner"/>.</summary>
public sealed class FineTuningOptions
{
    private const long MaxBatchTokens = 1 << 26;

    /// <summary>Tokens of a row that examples are packed into. Default 2048.</summary>
    [Range(2, 1 << 24)]
    public int RowLength { get; set; } = 2048;

    /// <summary>Rows of a micro-batch. Default 4.</summary>
    [Range(1, 1 << 20)]
    public int RowCount { get; set; } = 4;

    /// <summary>Whether several examples share a row; else every example is a row. Default true.</summary>
    public bool IsPacked { get; set; } = true;

    /// <summary>Labelled positions whose logits are in memory at a time; 0, the default, for as many as keep them within 64 MiB of float32.</summary>
    [Range(0L, long.MaxValue)]
    public long ChunkRows { get; set; }

    /// <summary>Seed of the order of rows. Default 0.</summary>
    public long Seed { get; set; }

    /// <summary>Token ids whose embedding rows are trained beside the adapters, such as new role tokens; empty by default. They do not decay.</summary>
    public long[] TrainedTokens { get; set; } = [];

    /// <summary>Whether only adapters (and <see cref="TrainedTokens"/>) are trained. Default true.</summary>
    public bool TrainsAdaptersOnly { get; set; } = true;

    /// <summary>Names the chat template that made the examples, such as <see cref="ChatTemplate"/>'s text or a name of yours; null, the
    /// default, when there is none. A run resumes only with the same one.</summary>
    public string? TemplateId { get; set; }

    /// <summary>Names the tokenizer that made the examples; null, the default, leaves it to the tokens themselves. A run resumes only with
    /// the same one.</summary>
    public string? TokenizerId { get; set; }

    internal void Check()
    {
        OptionsJson.Validate(this, "$.fine_tuning");
        if ((long)RowLength * RowCount > MaxBatchTokens)
            throw new ConfigurationException("$.fine_tuning.row_count", $"{nameof(FineTuningOptions)}.{nameof(RowCount)} = {RowCount}: with {nameof(RowLength)} = {RowLength} that is more than {MaxBatchTokens} tokens at a time; take fewer rows, and accumulate over several micro-batches.");
    }
}
