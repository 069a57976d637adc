namespace LmKit;

/// <summary>The registry's verb for this package.</summary>
public static class TuningRegistryExtensions
{
    /// <summary>Adds every kind of LmKit.Tuning, so that saved models which name them can be loaded.</summary>
    public static ComponentRegistry AddTuning(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry.Add(LoraComponent.Kind);
    }
}
