using System.Text;

namespace LmKit;

/// <summary>A checkpoint does not fit the model; every mismatch is listed, and nothing was loaded.</summary>
public sealed class CheckpointMismatchException : Exception
{
    /// <summary>Makes the exception from all mismatches of <paramref name="source"/> (a file or a description).</summary>
    public CheckpointMismatchException(
        string source,
        IReadOnlyList<string> missing,
        IReadOnlyList<string> unexpected,
        IReadOnlyList<TensorMismatch> wrongShape,
        IReadOnlyList<TensorMismatch> wrongDtype)
        : base(Describe(source, missing, unexpected, wrongShape, wrongDtype))
    {
        Missing = missing;
        Unexpected = unexpected;
        WrongShape = wrongShape;
        WrongDtype = wrongDtype;
    }

    /// <summary>Names that the model has and the checkpoint lacks.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Names that the checkpoint has and the model lacks.</summary>
    public IReadOnlyList<string> Unexpected { get; }

    /// <summary>Tensors of another shape.</summary>
    public IReadOnlyList<TensorMismatch> WrongShape { get; }

    /// <summary>Tensors of another element type.</summary>
    public IReadOnlyList<TensorMismatch> WrongDtype { get; }

    private static string Describe(string source, IReadOnlyList<string> missing, IReadOnlyList<string> unexpected, IReadOnlyList<TensorMismatch> wrongShape, IReadOnlyList<TensorMismatch> wrongDtype)
    {
        var text = new StringBuilder($"{source} does not fit the model; nothing was loaded.");
        Append(text, "missing", missing);
        Append(text, "unexpected", unexpected);
        Append(text, "wrong shape", wrongShape);
        Append(text, "wrong dtype (pass allowCast to convert)", wrongDtype);
        return text.ToString();
    }

    private static void Append<T>(StringBuilder text, string heading, IReadOnlyList<T> items)
    {
        if (items.Count > 0)
        {
            _ = text.Append(Environment.NewLine).Append(heading).Append(" (").Append(items.Count).Append("): ").AppendJoin("; ", items);
        }
    }
}
