using TorchSharp;
using static TorchSharp.torch;

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

/// <summary>One-hot codes of attribute values.</summary>
internal static class AttributeCodes
{
    internal static Tensor Of(Tensor attributes, IReadOnlyList<AttributeBlock> blocks, ScalarType dtype, Device device)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        using var scope = NewDisposeScope();
        var parts = blocks.Select(block => nn.functional.one_hot(Index(attributes, block), block.FeatureCount)).ToArray();
        return cat(parts, 1).to(dtype, device).MoveToOuterDisposeScope();
    }

    /// <summary>Fails unless all entries lie in 0 to <paramref name="count"/> less 1.</summary>
    internal static void CheckBelow(Tensor indices, long count, string name)
    {
        if (indices.numel() == 0)
            return;
        using var scope = NewDisposeScope();
        var (low, high) = (indices.min().item<long>(), indices.max().item<long>());
        if (low < 0 || high >= count)
            throw new ArgumentOutOfRangeException(name, low < 0 ? low : high, $"{name} lie in 0 to {count - 1}.");
    }

    /// <summary>The feature within a block (B) that each row's values select: the first attribute varies slowest.</summary>
    internal static Tensor Index(Tensor attributes, AttributeBlock block)
    {
        ArgumentNullException.ThrowIfNull(block);
        new TensorCheck(nameof(SupervisedDictionary)).Integers(attributes, nameof(attributes), "B A");
        if (attributes.dim() != 2 || block.Columns.Any(column => column < 0 || column >= attributes.size(1)))
            throw new ArgumentException($"Block '{block.Name}' reads columns {string.Join(", ", block.Columns)} of attributes (B, A); got ({string.Join(", ", attributes.shape)}).", nameof(attributes));
        using var scope = NewDisposeScope();
        var index = zeros([attributes.size(0)], ScalarType.Int64, attributes.device);
        foreach (var (column, size) in block.Columns.Zip(block.Sizes))
        {
            var values = attributes.select(1, column);
            if (values.numel() > 0 && (values.min().item<long>() < 0 || values.max().item<long>() >= size))
                throw new ArgumentException($"Block '{block.Name}': values of attribute {column} must lie in 0 to {size - 1}; found {values.min().item<long>()} to {values.max().item<long>()}.", nameof(attributes));
            index = index * size + values;
        }
        return index.MoveToOuterDisposeScope();
    }
}
