namespace LmKit;

/// <summary>The component kinds of LmKit.Ssm.</summary>
public static class SsmKinds
{
    /// <summary>The H3 mixer.</summary>
    public static readonly MixerKind<H3Options> H3 = new("h3", (options, layer) => new H3Mixer(options, layer));

    /// <summary>The S4D mixer.</summary>
    public static readonly MixerKind<S4DOptions> S4D = new("s4d", (options, layer) => new S4DMixer(options, layer));

    /// <summary>The shift state space layer.</summary>
    public static readonly MixerKind<ShiftOptions> Shift = new("shift", (options, layer) => new ShiftMixer(options, layer));

    /// <summary>The selective scan (Mamba-1).</summary>
    public static readonly MixerKind<SelectiveScanOptions> SelectiveScan = new("selective_scan", (options, layer) => new SelectiveScanMixer(options, layer));

    /// <summary>The gated long convolution.</summary>
    public static readonly MixerKind<LongConvOptions> LongConv = new("long_conv", (options, layer) => new LongConvMixer(options, layer));
}

/// <summary>The registry's verb for LmKit.Ssm.</summary>
public static class SsmRegistryExtensions
{
    /// <summary>Adds all kinds of LmKit.Ssm, for loading a model folder that uses them.</summary>
    /// <param name="kinds">The registry.</param>
    public static ComponentRegistry AddSsm(this ComponentRegistry kinds)
    {
        ArgumentNullException.ThrowIfNull(kinds);
        return kinds.Add(SsmKinds.H3).Add(SsmKinds.S4D).Add(SsmKinds.Shift).Add(SsmKinds.SelectiveScan).Add(SsmKinds.LongConv);
    }
}

/// <summary>The builder's verb for H3.</summary>
public static class H3BuilderExtensions
{
    /// <summary>Puts H3 into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddH3(this LanguageModelBuilder builder, Action<H3Options>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.H3, configure, layers);
    }
}

/// <summary>The builder's verb for S4D.</summary>
public static class S4DBuilderExtensions
{
    /// <summary>Puts S4D into layers; bidirectional where the model is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddS4D(this LanguageModelBuilder builder, Action<S4DOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.S4D, configure, layers);
    }
}

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

/// <summary>The builder's verb for the selective scan.</summary>
public static class SelectiveScanBuilderExtensions
{
    /// <summary>Puts selective scans (Mamba-1) into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddSelectiveScan(this LanguageModelBuilder builder, Action<SelectiveScanOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.SelectiveScan, configure, layers);
    }
}

/// <summary>The builder's verb for the gated long convolution.</summary>
public static class LongConvBuilderExtensions
{
    /// <summary>Puts gated long convolutions into layers; bidirectional where the model is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddLongConv(this LanguageModelBuilder builder, Action<LongConvOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.LongConv, configure, layers);
    }
}
