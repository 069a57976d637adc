using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>What <c>lmkit_tokenizer.json</c> holds.</summary>
internal sealed record TokenizerKind(
    [property: JsonPropertyName("kind")] string Kind,
    [property: JsonPropertyName("end_of_text")] string? EndOfText);
