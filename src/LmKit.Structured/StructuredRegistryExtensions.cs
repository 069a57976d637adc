namespace LmKit;

/// <summary>The registry's verb for this package.</summary>
public static class StructuredRegistryExtensions
{
    /// <summary>Adds every kind of LmKit.Structured, so that saved models which name them can be loaded.</summary>
    public static ComponentRegistry AddStructured(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        foreach (var kind in StructuredKinds.All)
            registry.Add(kind);
        return registry;
    }
}
