namespace LmKit;

/// <summary>Quotients of measured quantities: NaN where there is nothing to divide by, never an infinity.</summary>
internal static class Shares
{
    // Far above float64's rounding of sums and far below what any data has.
    private const double Rounding = 1e-12;

    /// <summary>part / whole, or NaN where the whole is 0 up to the rounding of quantities of a size.</summary>
    internal static double Of(double part, double whole, double size = 0) => Math.Abs(whole) <= Rounding * Math.Abs(size) || whole == 0 ? double.NaN : part / whole;
}
