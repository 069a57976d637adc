namespace LmKit.SparseAutoencoderTour;

/// <summary>One condition that a reproduction must meet.</summary>
/// <param name="Text">What is asked, with the figure it is asked of.</param>
/// <param name="Measured">What was measured.</param>
/// <param name="Holds">Whether it is met.</param>
public sealed record Window(string Text, string Measured, bool Holds)
{
    /// <summary>A figure that must reach a bound.</summary>
    public static Window AtLeast(string text, double measured, double bound) =>
        new(FormattableString.Invariant($"{text} at least {bound}"), FormattableString.Invariant($"{measured:F3}"), measured >= bound);

    /// <summary>A figure that must stay below a bound.</summary>
    public static Window Below(string text, double measured, double bound) =>
        new(FormattableString.Invariant($"{text} below {bound}"), FormattableString.Invariant($"{measured:F3}"), measured < bound);

    /// <summary>A figure that must lie near another.</summary>
    public static Window Near(string text, double measured, double wanted, double tolerance) =>
        new(FormattableString.Invariant($"{text} {wanted} +- {tolerance}"), FormattableString.Invariant($"{measured:F3}"), Math.Abs(measured - wanted) <= tolerance);
}
