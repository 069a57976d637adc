using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Prompts as tensors, with the places of their parts; owns them.</summary>
public sealed class IoiBatch : IDisposable
{
    internal IoiBatch(IReadOnlyList<IoiPrompt> prompts, Tensor tokens, Tensor positions, Tensor attributes, Tensor answers, Tensor subjects)
    {
        Prompts = prompts;
        Tokens = tokens.DetachFromDisposeScope();
        Positions = positions.DetachFromDisposeScope();
        Attributes = attributes.DetachFromDisposeScope();
        Answers = answers.DetachFromDisposeScope();
        Subjects = subjects.DetachFromDisposeScope();
    }

    /// <summary>Names of the attributes: io, s, io_pos.</summary>
    public static IReadOnlyList<string> AttributeNames { get; } = ["io", "s", "io_pos"];

    /// <summary>The prompts.</summary>
    public IReadOnlyList<IoiPrompt> Prompts { get; }

    /// <summary>Tokens (B, L).</summary>
    public Tensor Tokens { get; }

    /// <summary>Columns (B, 5) of each <see cref="IoiPosition"/>.</summary>
    public Tensor Positions { get; }

    /// <summary>Attribute values (B, 3).</summary>
    public Tensor Attributes { get; }

    /// <summary>Token (B) of the indirect object, the right answer.</summary>
    public Tensor Answers { get; }

    /// <summary>Token (B) of the subject.</summary>
    public Tensor Subjects { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in (Tensor[])[Tokens, Positions, Attributes, Answers, Subjects])
            tensor.Dispose();
    }
}
