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
