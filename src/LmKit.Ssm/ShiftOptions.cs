using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the shift state space layer.</summary>
public sealed class ShiftOptions
{
    /// <summary>State size N, the inputs that a channel holds and the taps of its filter (d_state). Default 64 (Fu et al. 2022).</summary>
    [Range(1, 65536)]
    [JsonPropertyName("d_state")]
    public long StateDim { get; set; } = 64;
}
