using System.Text;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A checkpoint does not fit the model; every mismatch is listed, and nothing was loaded.</summary>
public sealed class CheckpointMismatchException : Exception
{
    /// <summary>Makes the exception from all mismatches of <paramref name="source"/> (a file or a description).</summary>
    /// <param name="source">What does not fit.</param>
    /// <param name="missing">Names that the model has and the checkpoint lacks.</param>
    /// <param name="unexpected">Names that the checkpoint has and the model lacks.</param>
    /// <param name="wrongShape">Tensors of another shape.</param>
    /// <param name="wrongDtype">Tensors of another element type.</param>
    /// <param name="wrongValue">Settings of another value.</param>
    public CheckpointMismatchException(
        string source,
        IReadOnlyList<string> missing,
        IReadOnlyList<string> unexpected,
        IReadOnlyList<TensorMismatch> wrongShape,
        IReadOnlyList<TensorMismatch> wrongDtype,
        IReadOnlyList<TensorMismatch>? wrongValue = null)
        : this(source, null, missing, unexpected, wrongShape, wrongDtype, wrongValue)
    {
    }

    /// <summary>Makes the exception with a sentence that says what to do.</summary>
    internal CheckpointMismatchException(
        string source,
        string? remedy,
        IReadOnlyList<string> missing,
        IReadOnlyList<string> unexpected,
        IReadOnlyList<TensorMismatch> wrongShape,
        IReadOnlyList<TensorMismatch> wrongDtype,
        IReadOnlyList<TensorMismatch>? wrongValue = null)
        : base(Describe(source, remedy, missing, unexpected, wrongShape, wrongDtype, wrongValue ?? []))
    {
        Missing = missing;
        Unexpected = unexpected;
        WrongShape = wrongShape;
        WrongDtype = wrongDtype;
        WrongValue = wrongValue ?? [];
    }

    /// <summary>Names that the model has and the checkpoint lacks.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Names that the checkpoint has and the model lacks.</summary>
    public IReadOnlyList<string> Unexpected { get; }

    /// <summary>Tensors of another shape.</summary>
    public IReadOnlyList<TensorMismatch> WrongShape { get; }

    /// <summary>Tensors of another element type.</summary>
    public IReadOnlyList<TensorMismatch> WrongDtype { get; }

    /// <summary>Settings of the run, such as its seed, that have another value.</summary>
    public IReadOnlyList<TensorMismatch> WrongValue { get; }

    private static string Describe(
        string source,
        string? remedy,
        IReadOnlyList<string> missing,
        IReadOnlyList<string> unexpected,
        IReadOnlyList<TensorMismatch> wrongShape,
        IReadOnlyList<TensorMismatch> wrongDtype,
        IReadOnlyList<TensorMismatch> wrongValue)
    {
        if (wrongValue.Count > 0 && missing.Count + unexpected.Count + wrongShape.Count + wrongDtype.Count == 0)
            return $"{source} is of another run: {string.Join("; ", wrongValue)}. Set the same values or choose another place; nothing was loaded.";
        var text = new StringBuilder($"{source} does not fit the model; nothing was loaded.{(remedy is null ? "" : " " + remedy)}");
        Append(text, "missing", missing);
        Append(text, "unexpected", unexpected);
        Append(text, "wrong shape", wrongShape);
        Append(text, wrongDtype.All(one => Enum.TryParse<ScalarType>(one.Expected, out _)) ? "wrong dtype (pass allowCast to convert)" : "wrong dtype (quantized or whole numbers are not weights to compute on; take the checkpoint that is not quantized)", wrongDtype);
        Append(text, "of another run (set the same value, or start a new folder)", wrongValue);
        return text.ToString();
    }

    private static void Append<T>(StringBuilder text, string heading, IReadOnlyList<T> items)
    {
        if (items.Count > 0)
            _ = text.Append(Environment.NewLine).Append(heading).Append(" (").Append(items.Count).Append("): ").AppendJoin("; ", items);
    }
}

/// <summary>One tensor whose shape or element type is not the one the model has.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Expected">What the model has.</param>
/// <param name="Found">What the checkpoint has.</param>
public sealed record TensorMismatch(string Name, string Expected, string Found)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name}: expected {Expected}, found {Found}";
}
