using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of the packed linear.</summary>
public sealed class PackedLinearOptions
{
    /// <summary>How the weights are kept for inference. Default bfloat16; training always sees float32.</summary>
    public WeightFormat Format { get; set; } = WeightFormat.BFloat16;

    /// <summary>Most rows of a call that go through the packed weights; longer calls take the library's product. Default 16.</summary>
    [Range(0, 1024)]
    public int MaxRows { get; set; } = 16;
}
