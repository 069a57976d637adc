namespace LmKit;

/// <summary>Divides the logits by a temperature: below 1 sharper, above 1 flatter.</summary>
public static class Temperature
{
    /// <summary>The filter of a positive temperature.</summary>
    public static LogitFilter Filter(double temperature)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(temperature);
        return (logits, _, _) => logits.div(temperature);
    }
}
