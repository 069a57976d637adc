namespace LmKit;

/// <summary>The registry's verb for LmKit.Ssm.</summary>
public static class SsmRegistryExtensions
{
    /// <summary>Adds all kinds of LmKit.Ssm, for loading a model folder that uses them.</summary>
    /// <param name="kinds">The registry.</param>
    public static ComponentRegistry AddSsm(this ComponentRegistry kinds)
    {
        ArgumentNullException.ThrowIfNull(kinds);
        return kinds.Add(SsmKinds.H3).Add(SsmKinds.S4D).Add(SsmKinds.Shift).Add(SsmKinds.SelectiveScan).Add(SsmKinds.LongConv);
    }
}
