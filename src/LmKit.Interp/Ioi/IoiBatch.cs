using static TorchSharp.torch;

namespace LmKit;

/// <summary>IOI prompts as tensors, with the places of their parts; owns them.</summary>
public sealed class IoiBatch : TaskBatch
{
    internal IoiBatch(IReadOnlyList<IoiPrompt> prompts, Tensor tokens, Tensor positions, Tensor attributes, Tensor answers, Tensor subjects)
        : base(tokens, positions, attributes)
    {
        Prompts = prompts;
        Answers = answers.DetachFromDisposeScope();
        Subjects = subjects.DetachFromDisposeScope();
    }

    /// <summary>Names of the attributes: io, s, io_pos.</summary>
    public static IReadOnlyList<string> AttributeNames { get; } = ["io", "s", "io_pos"];

    /// <summary>The prompts.</summary>
    public IReadOnlyList<IoiPrompt> Prompts { get; }

    /// <summary>Token (B) of the indirect object, the right answer.</summary>
    public Tensor Answers { get; }

    /// <summary>Token (B) of the subject.</summary>
    public Tensor Subjects { get; }

    /// <summary>The logit difference of each prompt (B).</summary>
    /// <inheritdoc/>
    public override Tensor Scores(Tensor logits) => LogitDifference.Each(logits, this);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Answers.Dispose();
            Subjects.Dispose();
        }
        base.Dispose(disposing);
    }
}

/// <summary>One prompt of indirect object identification: two names, then a clause whose subject repeats one; the other must follow.</summary>
/// <param name="Template">Index of the template.</param>
/// <param name="Io">Index of the indirect object's name.</param>
/// <param name="S">Index of the subject's name.</param>
/// <param name="IsIoFirst">Whether the indirect object is introduced first (ABB) or the subject is (BAB).</param>
/// <param name="Place">Index of the place.</param>
/// <param name="Thing">Index of the object.</param>
public sealed record IoiPrompt(int Template, int Io, int S, bool IsIoFirst, int Place, int Thing)
{
    /// <summary>Attribute values in the order of <see cref="IoiBatch.AttributeNames"/>.</summary>
    public long[] Attributes => [Io, S, IsIoFirst ? 0 : 1];
}

/// <summary>The places in an IOI prompt that a circuit reads.</summary>
public enum IoiPosition
{
    /// <summary>The first name that is introduced once and never repeated.</summary>
    Io,

    /// <summary>The subject's first mention.</summary>
    S1,

    /// <summary>The token after it.</summary>
    AfterS1,

    /// <summary>The subject's second mention.</summary>
    S2,

    /// <summary>The last token, where the answer is predicted.</summary>
    End,
}
