using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the Lambda mask.</summary>
public sealed class LambdaMaskOptions
{
    /// <summary>How many of the last tokens a query sees, itself included (L); at most the length the model was trained on.
    /// Default 2048 (the authors' code).</summary>
    [Range(1L, long.MaxValue)]
    [JsonPropertyName("local_branch")]
    public long LocalLength { get; set; } = 2048;

    /// <summary>How many starting tokens every query sees (G). Default 10 (the authors' examples; 5 to 100 do about equally well).</summary>
    [Range(0L, long.MaxValue)]
    [JsonPropertyName("global_branch")]
    public long GlobalLength { get; set; } = 10;

    /// <summary>The distance at which starting tokens beyond the window are shown (D); null, the default, stands for
    /// <see cref="LocalLength"/>.</summary>
    [Range(0L, long.MaxValue)]
    [JsonPropertyName("limit_distance")]
    public long? DistanceCeiling { get; set; }
}
