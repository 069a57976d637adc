namespace LmKit;

/// <summary>Features of one attribute, or of the combinations of several attributes coupled together.</summary>
/// <param name="Name">Its name, such as <c>io</c> or <c>io+pos</c>.</param>
/// <param name="Columns">Columns of <see cref="ActivationBatch.Attributes"/> that it reads.</param>
/// <param name="Sizes">Number of values of each; values are 0 to size - 1.</param>
public sealed record AttributeBlock(string Name, IReadOnlyList<long> Columns, IReadOnlyList<long> Sizes)
{
    /// <summary>Number of features: the product of the sizes.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long FeatureCount => Sizes.Aggregate(1L, (product, size) => product * size);
}
