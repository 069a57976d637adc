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
