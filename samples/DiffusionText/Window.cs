using System.Globalization;

namespace LmKit.DiffusionText;

/// <summary>A figure and the window it has to lie in.</summary>
/// <param name="Name">What was measured.</param>
/// <param name="Value">The figure.</param>
/// <param name="Low">Lowest allowed.</param>
/// <param name="High">Highest allowed.</param>
internal sealed record Window(string Name, double Value, double Low = double.NegativeInfinity, double High = double.PositiveInfinity)
{
    internal bool Holds => Value >= Low && Value <= High;

    /// <summary>A row of a Markdown table.</summary>
    internal string Row => string.Create(CultureInfo.InvariantCulture, $"| {Name} | {Value:G4} | {Bounds} | {(Holds ? "holds" : "FAILS")} |");

    private string Bounds => (double.IsFinite(Low), double.IsFinite(High)) switch
    {
        (true, true) => string.Create(CultureInfo.InvariantCulture, $"{Low:G4} to {High:G4}"),
        (true, false) => string.Create(CultureInfo.InvariantCulture, $"at least {Low:G4}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"at most {High:G4}"),
    };
}
