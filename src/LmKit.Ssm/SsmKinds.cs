namespace LmKit;

/// <summary>The component kinds of LmKit.Ssm.</summary>
public static class SsmKinds
{
    /// <summary>The H3 mixer.</summary>
    public static readonly MixerKind<H3Options> H3 = new("h3", (options, layer) => new H3Mixer(options, layer));
}
