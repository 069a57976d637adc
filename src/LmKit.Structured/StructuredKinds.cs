namespace LmKit;

/// <summary>The component kinds of LmKit.Structured.</summary>
public static class StructuredKinds
{
    /// <summary>The Monarch linear.</summary>
    public static readonly LinearKind<MonarchOptions> Monarch = new("monarch", (options, site) => new MonarchLinear(options, site));

    internal static IReadOnlyList<ComponentKind> All { get; } = [Monarch];
}
