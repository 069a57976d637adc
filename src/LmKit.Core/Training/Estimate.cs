using System.Globalization;

namespace LmKit;

/// <summary>A measured mean that says how it was taken and how far it can be off.</summary>
/// <remarks>The standard error is that of a mean over independent units, such as windows or samples. Windows of one text that lie side by side
/// are not quite independent, so for those it is a little too small.</remarks>
/// <param name="Value">The figure.</param>
/// <param name="StandardError">Its standard error: how far another set of as many units would typically move it. NaN from one unit alone, which
/// cannot tell.</param>
/// <param name="UnitCount">How many units there were.</param>
/// <param name="Unit">What a unit is, in the plural, such as <c>windows</c>.</param>
/// <param name="TokenCount">Tokens, or other single results, that the mean is over.</param>
/// <param name="Method">How it was taken, in a few words; empty where there is no choice.</param>
public sealed record Estimate(double Value, double StandardError, long UnitCount, string Unit, long TokenCount, string Method)
{
    /// <summary>The part of the error that comes from random numbers of the measurement itself, on these units: the standard error of the
    /// figure around its exact value for them. 0 where nothing is drawn; NaN where one draw alone cannot tell.</summary>
    public double DrawError { get; init; }

    /// <summary>The mean over all tokens of units of several tokens each, sum of sums / sum of counts.</summary>
    /// <remarks>Standard error of a ratio of sums: sqrt(U / (U - 1) sum (s_u - v n_u)^2) / sum n_u.</remarks>
    /// <param name="sums">Sum s_u of each unit.</param>
    /// <param name="counts">Count n_u of each unit; units of 0 are left out.</param>
    /// <param name="unit">What a unit is, in the plural.</param>
    /// <param name="method">How it was taken.</param>
    /// <exception cref="ArgumentException">The lists differ in length, a count is negative, or all are 0.</exception>
    public static Estimate OfUnits(IReadOnlyList<double> sums, IReadOnlyList<long> counts, string unit, string method = "")
    {
        ArgumentNullException.ThrowIfNull(sums);
        ArgumentNullException.ThrowIfNull(counts);
        if (sums.Count != counts.Count)
            throw new ArgumentException($"Each unit has a sum and a count; got {sums.Count} sums and {counts.Count} counts.", nameof(counts));
        if (counts.Any(count => count < 0) || counts.Sum() == 0)
            throw new ArgumentException($"A mean needs at least one {nameof(TokenCount)}; the {counts.Count} counts sum to {counts.Sum()}.", nameof(counts));
        var full = counts.Index().Where(one => one.Item > 0).ToArray();
        return OfRatio([.. full.Select(one => sums[one.Index])], [.. full.Select(one => (double)one.Item)], counts.Sum(), unit, method);
    }

    /// <summary>The mean of one number a unit.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="unit">What a unit is, in the plural.</param>
    /// <param name="method">How it was taken.</param>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static Estimate OfValues(IReadOnlyList<double> values, string unit, string method = "")
    {
        ArgumentNullException.ThrowIfNull(values);
        return OfUnits(values, [.. Enumerable.Repeat(1L, values.Count)], unit, method);
    }

    /// <summary>A share of hits. Its error is sqrt(p (1 - p) / n) with p = (hits + 1) / (count + 2), so that a share of 0 or 1 does not pass for
    /// exact.</summary>
    /// <param name="hits">How many units had it.</param>
    /// <param name="count">How many units there were.</param>
    /// <param name="unit">What a unit is, in the plural.</param>
    /// <param name="method">How it was taken.</param>
    public static Estimate OfShare(long hits, long count, string unit, string method = "")
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfNegative(hits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(hits, count);
        var share = (hits + 1.0) / (count + 2.0);
        return new Estimate((double)hits / count, Math.Sqrt(share * (1 - share) / count), count, unit, count, method);
    }

    /// <summary>The same in another unit of measure, such as bits per byte.</summary>
    public Estimate Scaled(double factor) => this with { Value = Value * factor, StandardError = StandardError * Math.Abs(factor), DrawError = DrawError * Math.Abs(factor) };

    /// <summary>The perplexity of a mean loss: exp of it, and errors times that.</summary>
    public Estimate Exponential()
    {
        var value = Math.Exp(Value);
        return this with { Value = value, StandardError = StandardError * value, DrawError = DrawError * value };
    }

    /// <summary>The figure, its error and where it is from, such as <c>5.3274 +- 0.0210 (standard error over 64 windows, 8,128 tokens)</c>.</summary>
    public override string ToString()
    {
        var error = double.IsNaN(StandardError) ? $"error unknown from {UnitCount:N0} of its {Unit}" : $"standard error over {UnitCount:N0} {Unit}";
        var tokens = TokenCount == UnitCount ? "" : string.Create(CultureInfo.InvariantCulture, $", {TokenCount:N0} tokens");
        var draws = DrawError == 0 ? "" : double.IsNaN(DrawError) ? "; the error of its draws alone unknown" : string.Create(CultureInfo.InvariantCulture, $"; its draws alone +- {Digits(DrawError)}");
        return string.Create(CultureInfo.InvariantCulture, $"{Brief()} ({error}{tokens}{draws}{(Method.Length == 0 ? "" : "; " + Method)})");
    }

    /// <summary>The figure and its error alone, such as <c>5.3274 +- 0.0210</c>.</summary>
    public string Brief() => double.IsNaN(StandardError)
        ? string.Create(CultureInfo.InvariantCulture, $"{Value:F4} +- ?")
        : string.Create(CultureInfo.InvariantCulture, $"{Value.ToString(Format(StandardError), CultureInfo.InvariantCulture)} +- {Digits(StandardError)}");

    /// <summary>A ratio of sums over units, for quotients of measured quantities.</summary>
    internal static Estimate OfRatio(IReadOnlyList<double> parts, IReadOnlyList<double> wholes, long tokens, string unit, string method)
    {
        var (whole, used) = (wholes.Sum(), wholes.Count);
        var value = parts.Sum() / whole;
        var squares = parts.Zip(wholes, (part, one) => part - value * one).Sum(rest => rest * rest);
        var error = used > 1 ? Math.Sqrt(squares * used / (used - 1)) / Math.Abs(whole) : double.NaN;
        return new Estimate(value, double.IsFinite(error) ? error : double.NaN, used, unit, tokens, method);
    }

    // Two digits of the error, and the value as far.
    private static string Format(double error) => error > 0 && double.IsFinite(error)
        ? string.Create(CultureInfo.InvariantCulture, $"F{Math.Clamp(1 - (int)Math.Floor(Math.Log10(error)), 0, 10)}")
        : "F4";

    private static string Digits(double error) => error.ToString(Format(error), CultureInfo.InvariantCulture);
}
