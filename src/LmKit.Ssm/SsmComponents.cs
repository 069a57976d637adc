namespace LmKit;

/// <summary>The components of LmKit.Ssm.</summary>
public static class SsmComponents
{
    /// <summary>Adds all kinds of LmKit.Ssm, for loading a model folder that uses them.</summary>
    /// <param name="kinds">The registry.</param>
    public static ComponentRegistry AddSsm(this ComponentRegistry kinds)
    {
        ArgumentNullException.ThrowIfNull(kinds);
        return kinds.Add(H3Component.Kind).Add(S4DComponent.Kind).Add(ShiftComponent.Kind).Add(SelectiveScanComponent.Kind).Add(LongConvComponent.Kind);
    }
}
