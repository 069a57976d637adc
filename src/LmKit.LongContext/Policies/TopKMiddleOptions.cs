using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of attention to the most fitting tokens of the middle, those that a Lambda mask hides (Han et al. 2024, section 4 and appendix A.3).</summary>
/// <remarks>A layer that may attend to the middle keeps all keys and values: its cache grows with the text.</remarks>
public sealed class TopKMiddleOptions
{
    /// <summary>Middle tokens that each query head attends to, k (top_k). Default 5 (the paper; 3 to 50 do about equally well).</summary>
    [Range(1, 1 << 20)]
    [JsonPropertyName("top_k")]
    public int TopK { get; set; } = 5;

    /// <summary>The distance at which they are shown, D_m (top_k_insert_at), one that the model was trained on; null, the default, stands for half of
    /// the window.</summary>
    [Range(0L, long.MaxValue)]
    [JsonPropertyName("top_k_insert_at")]
    public long? InsertDistance { get; set; }

    /// <summary>The first layer that attends to the middle, counted from 0 over all layers (top_k_from_layer). Default 4 (the authors' code).</summary>
    [Range(0, int.MaxValue)]
    [JsonPropertyName("top_k_from_layer")]
    public int FromLayer { get; set; } = 4;

    /// <summary>The first layer behind it that does not (top_k_to_layer). Default 1000 (the authors' code).</summary>
    [Range(0, int.MaxValue)]
    [JsonPropertyName("top_k_to_layer")]
    public int ToLayer { get; set; } = 1_000;

    /// <summary>Which queries attend to the middle. Default the last one of each call (the authors' code).</summary>
    [JsonPropertyName("top_k_rows")]
    public MiddleRows Rows { get; set; }
}

/// <summary>Which queries attend to the middle.</summary>
public enum MiddleRows
{
    /// <summary>The last one of each call and document: of a prompt its last token, then every token that is generated one by one.</summary>
    Last,

    /// <summary>Every one, so that results do not depend on how a text is cut into calls.</summary>
    All,
}
