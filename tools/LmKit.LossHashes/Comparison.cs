using System.Globalization;

namespace LmKit.LossHashes;

/// <summary>A program's losses beside those of the record.</summary>
/// <param name="IsSame">Whether nothing moved, as far as this machine can tell.</param>
/// <param name="Text">What was found, in one line.</param>
internal sealed record Comparison(bool IsSame, string Text)
{
    private const double Floor = 1e-6; // float32's own at losses of order ten; a loss near zero is a difference of such numbers

    /// <summary>Compares bit for bit; where bits differ and the machines do too, to a tolerance.</summary>
    /// <param name="recorded">The record.</param>
    /// <param name="found">What was found here.</param>
    /// <param name="tolerance">How far two losses may then lie apart, relative to the larger one.</param>
    /// <param name="isSameMachine">Whether bits must be equal.</param>
    internal static Comparison Of(ProgramRecord recorded, ProgramRecord found, double tolerance, bool isSameMachine)
    {
        var (was, now) = (recorded.Values(), found.Values());
        if (was.Length != recorded.Count || ProgramRecord.HashOf(was) != recorded.Sha256)
            return new(false, "the record's losses do not have the record's hash; somebody changed them by hand");
        if (was.Length != now.Length)
            return new(false, $"{now.Length} losses, {was.Length} in the record");
        if (recorded.Sha256 == found.Sha256)
            return Figures(recorded, found, isSameMachine);
        var differing = Enumerable.Range(0, was.Length).Where(index => !Equal(was[index], now[index], 0)).ToArray();
        var apart = Enumerable.Range(0, was.Length).Where(index => !Equal(was[index], now[index], tolerance)).ToArray();
        if (!isSameMachine && apart.Length == 0)
            return new(true, string.Create(CultureInfo.InvariantCulture, $"{was.Length} losses within {tolerance:0E0} of the record's, of another machine"));
        var first = isSameMachine ? differing[0] : apart[0];
        return new(false, string.Create(CultureInfo.InvariantCulture, $"{differing.Length} of {was.Length} losses differ in their bits, {apart.Length} by more than {tolerance:0E0}: number {first + 1} is {was[first]:R} in the record and {now[first]:R} here"));
    }

    private static Comparison Figures(ProgramRecord recorded, ProgramRecord found, bool isSameMachine) =>
        recorded.FigureSha256 == found.FigureSha256 ? new(true, $"{found.Count} losses and {found.FigureCount} figures are the same bit for bit")
        : isSameMachine ? new(false, $"{found.Count} losses are the same, but not the {found.FigureCount} figures that it prints ({recorded.FigureCount} in the record)")
        : new(true, $"{found.Count} losses are the same bit for bit, printed figures are not (another machine)");

    private static bool Equal(double a, double b, double tolerance) =>
        BitConverter.DoubleToInt64Bits(a) == BitConverter.DoubleToInt64Bits(b) || (tolerance > 0 && double.IsFinite(a - b) && Math.Abs(a - b) <= tolerance * Math.Max(Math.Abs(a), Math.Abs(b)) + Floor);
}
