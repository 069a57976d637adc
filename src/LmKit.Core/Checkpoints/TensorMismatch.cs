namespace LmKit;

/// <summary>One tensor whose shape or element type is not the one the model has.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Expected">What the model has.</param>
/// <param name="Found">What the checkpoint has.</param>
public sealed record TensorMismatch(string Name, string Expected, string Found)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name}: expected {Expected}, found {Found}";
}
