namespace LmKit;

/// <summary>The component kinds of LmKit.Diffusion.</summary>
public static class DiffusionComponents
{
    /// <summary>Adds every kind of LmKit.Diffusion, so that saved models which name them can be loaded.</summary>
    public static ComponentRegistry AddDiffusion(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        foreach (var kind in All)
            registry.Add(kind);
        return registry;
    }

    internal static IReadOnlyList<Kind> All { get; } =
        [DiffusionModelComponents.Timestep, DiffusionModelComponents.Block, DiffusionModelComponents.ModulatedLayerNorm, DiscriminatorComponent.Kind, .. DiffusionSamplerComponents.All];
}
