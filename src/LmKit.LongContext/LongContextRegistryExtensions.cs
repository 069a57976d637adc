namespace LmKit;

/// <summary>The registry's verb for this package.</summary>
public static class LongContextRegistryExtensions
{
    /// <summary>Adds every kind of LmKit.LongContext, so that saved models which name them can be loaded.</summary>
    public static ComponentRegistry AddLongContext(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        foreach (var kind in LongContextKinds.All)
            registry.Add(kind);
        return registry;
    }
}
