using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of a supervised dictionary.</summary>
public sealed class SupervisedOptions
{
    /// <summary>Width D of the activations. No default.</summary>
    [Range(1L, long.MaxValue)]
    public long ModelDim { get; set; }

    /// <summary>The blocks, in the order of their features. Default none.</summary>
    public IReadOnlyList<AttributeBlock> Blocks { get; set; } = [];

    /// <summary>Features of all blocks; fails by name on a block that cannot be.</summary>
    internal long CountFeatures()
    {
        var count = 0L;
        foreach (var block in Blocks)
        {
            if (block.Columns.Count != block.Sizes.Count || block.Sizes.Any(size => size < 1))
                throw new ArgumentException($"Block '{block.Name}' has {block.Columns.Count} columns and the sizes {string.Join(", ", block.Sizes.Take(8))}; one size of at least 1 belongs to each column.");
            try
            {
                count = checked(count + block.Sizes.Aggregate(1L, (product, size) => checked(product * size)));
            }
            catch (OverflowException error)
            {
                throw new ArgumentException($"Block '{block.Name}' has more features than can be counted.", error);
            }
        }
        return count;
    }
}
