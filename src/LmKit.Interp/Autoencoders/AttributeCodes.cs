using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One-hot codes of attribute values.</summary>
internal static class AttributeCodes
{
    internal static Tensor Of(Tensor attributes, IReadOnlyList<AttributeBlock> blocks, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        var parts = blocks.Select(block => nn.functional.one_hot(Index(attributes, block), block.FeatureCount)).ToArray();
        return cat(parts, 1).to(dtype, device).MoveToOuterDisposeScope();
    }

    /// <summary>The feature within a block (B) that each row's values select: the first attribute varies slowest.</summary>
    internal static Tensor Index(Tensor attributes, AttributeBlock block)
    {
        ArgumentNullException.ThrowIfNull(attributes);
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
