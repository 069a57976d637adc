using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of Monarch linears.</summary>
public sealed class MonarchOptions
{
    /// <summary>Blocks of each factor (nblocks); widths that it does not divide are padded with zeros. More blocks are smaller and
    /// faster: a square layer has 2/nblocks of a dense layer's parameters. Default 4 (the authors' code).</summary>
    [Range(1, 65536)]
    [JsonPropertyName("nblocks")]
    public int BlockCount { get; set; } = 4;

    /// <summary>How the factors start. Default the authors' code.</summary>
    public MonarchInitialization Initialization { get; set; }
}
