namespace LmKit;

/// <summary>The builder's verb for the shift state space layer.</summary>
public static class ShiftBuilderExtensions
{
    /// <summary>Puts shift state spaces into layers; a bidirectional model takes none.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddShift(this LanguageModelBuilder builder, Action<ShiftOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.Shift, configure, layers);
    }
}
