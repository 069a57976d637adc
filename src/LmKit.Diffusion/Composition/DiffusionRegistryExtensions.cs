namespace LmKit;

/// <summary>The registry's verb for this package.</summary>
public static class DiffusionRegistryExtensions
{
    /// <summary>Adds every kind of LmKit.Diffusion, so that saved models which name them can be loaded.</summary>
    public static ComponentRegistry AddDiffusion(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        foreach (var kind in DiffusionKinds.All)
            registry.Add(kind);
        return registry;
    }
}
