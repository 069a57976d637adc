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
}
