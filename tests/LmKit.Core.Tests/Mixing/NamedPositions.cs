namespace LmKit.Core.Tests;

/// <summary>Position encodings of attention by the names of their kinds, for tests that take each in turn.</summary>
internal static class NamedPositions
{
    internal static LanguageModelBuilder AddPositions(this LanguageModelBuilder builder, string kind, Action<RotaryOptions>? rotary = null) => kind switch
    {
        "none" => builder.AddNoPositions(),
        "rotary" => builder.AddRotary(rotary),
        "alibi" => builder.AddAlibi(),
        _ => throw new ArgumentException($"'{kind}' is not an encoding of attention.", nameof(kind)),
    };
}
