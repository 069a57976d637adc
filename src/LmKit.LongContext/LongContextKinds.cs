namespace LmKit;

/// <summary>The component kinds of LmKit.LongContext.</summary>
public static class LongContextKinds
{
    /// <summary>The Lambda mask.</summary>
    public static readonly MaskKind<LambdaMaskOptions> Lambda = new("lambda", (options, layer) => new LambdaMask(options, layer));

    internal static IReadOnlyList<ComponentKind> All { get; } = [Lambda];
}
