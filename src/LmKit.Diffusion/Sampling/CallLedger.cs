namespace LmKit;

/// <summary>Counts what a generation or a distillation cost, call by call; the caller owns it and may share it between runs.</summary>
/// <remarks>The literature's "N function evaluations" are <see cref="DenoiserForwards"/> alone. Not thread-safe.</remarks>
public sealed class CallLedger
{
    /// <summary>Calls of the denoiser (the student) in sampling steps.</summary>
    public long DenoiserForwards { get; internal set; }

    /// <summary>Further calls of the denoiser that remove the last noise.</summary>
    public long NoiseRemovalForwards { get; internal set; }

    /// <summary>Gradient passes through the denoiser (the student).</summary>
    public long DenoiserBackwards { get; internal set; }

    /// <summary>Calls of a teacher.</summary>
    public long TeacherForwards { get; internal set; }

    /// <summary>Calls of an auxiliary denoiser.</summary>
    public long AuxiliaryForwards { get; internal set; }

    /// <summary>Gradient passes through an auxiliary denoiser.</summary>
    public long AuxiliaryBackwards { get; internal set; }

    /// <summary>Calls of a discriminator.</summary>
    public long DiscriminatorForwards { get; internal set; }

    /// <summary>Gradient passes through a discriminator.</summary>
    public long DiscriminatorBackwards { get; internal set; }

    /// <summary>Sequences that calls of a discriminator scored while candidates were ranked.</summary>
    public long RankedSequences { get; internal set; }

    /// <summary>Steps that needed no call because nothing had changed or everything was the same constant.</summary>
    public long SavedForwards { get; internal set; }

    /// <summary>All counts by name.</summary>
    internal Dictionary<string, long> Counts() => typeof(CallLedger).GetProperties().ToDictionary(property => property.Name, property => (long)property.GetValue(this)!);

    /// <summary>Takes counts over.</summary>
    internal void Restore(IReadOnlyDictionary<string, long> counts)
    {
        foreach (var property in typeof(CallLedger).GetProperties())
            property.SetValue(this, counts[property.Name]);
    }
}
