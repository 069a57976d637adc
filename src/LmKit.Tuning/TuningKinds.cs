namespace LmKit;

/// <summary>The component kinds of LmKit.Tuning.</summary>
public static class TuningKinds
{
    /// <summary>The low-rank adapter around a linear.</summary>
    public static readonly LinearWrapperKind<LoraOptions> Lora = new("lora", (options, inner, site) => new LoraLinear(options, inner, site, record: options));

    internal static IReadOnlyList<ComponentKind> All { get; } = [Lora];
}
