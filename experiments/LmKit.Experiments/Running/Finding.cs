using System.Globalization;

namespace LmKit.Experiments;

/// <summary>A measured figure held against its threshold.</summary>
/// <param name="Claim">What is claimed.</param>
/// <param name="Measured">The figure, NaN where the run gave none.</param>
/// <param name="Low">Least value that supports the claim.</param>
/// <param name="High">Largest value that supports the claim.</param>
internal sealed record Finding(string Claim, double Measured, double Low = double.NegativeInfinity, double High = double.PositiveInfinity)
{
    /// <summary>Whether the figure lies within the thresholds; a NaN does not.</summary>
    internal bool Holds => Measured >= Low && Measured <= High;

    /// <summary>The thresholds in words.</summary>
    internal string Threshold => (double.IsFinite(Low), double.IsFinite(High)) switch
    {
        (true, true) => $"{Text(Low)} to {Text(High)}",
        (true, false) => $"at least {Text(Low)}",
        _ => $"at most {Text(High)}",
    };

    /// <summary>A figure with four significant digits.</summary>
    internal static string Text(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
