using System.Globalization;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>Compares tensors entry by entry and names the worst entry when they differ.</summary>
public static class Close
{
    /// <summary>Fails unless shapes agree and every entry is within
    /// <c>absolute + relative * |expected| + relativeToLargest * max |expected|</c>.</summary>
    /// <remarks>NaN equals nothing, itself included; an infinity equals only itself. Complex tensors are compared part by part.</remarks>
    public static void Check(string name, Tensor expected, Tensor actual, double absolute = 0, double relative = 0, double relativeToLargest = 0)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArgumentNullException.ThrowIfNull(actual);
        if (!expected.shape.SequenceEqual(actual.shape))
            Assert.Fail($"{name}: expected shape ({Join(expected.shape)}), got ({Join(actual.shape)}).");
        if (expected.is_complex() != actual.is_complex())
            Assert.Fail($"{name}: expected {expected.dtype}, got {actual.dtype}.");
        if (expected.numel() == 0)
            return;
        using var scope = NewDisposeScope();
        var (wanted, shape) = Numbers(expected);
        var (got, _) = Numbers(actual);
        var largest = relativeToLargest > 0 ? wanted.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max() : 0;
        var (worst, worstShare, count) = (-1, 0.0, 0);
        for (var index = 0; index < wanted.Length; index++)
        {
            var share = Share(wanted[index], got[index], absolute + relative * Math.Abs(wanted[index]) + relativeToLargest * largest);
            if (share <= 1)
                continue;
            count++;
            if (share > worstShare)
                (worst, worstShare) = (index, share);
        }
        if (count == 0)
        {
            Comparisons.Note(wanted.Count(value => value != 0));
            return;
        }
        var allowed = absolute + relative * Math.Abs(wanted[worst]) + relativeToLargest * largest;
        Assert.Fail(string.Create(
            CultureInfo.InvariantCulture,
            $"{name}[{Join(Place(worst, shape))}]: expected {wanted[worst]:R}, got {got[worst]:R}; difference {Math.Abs(wanted[worst] - got[worst]):E2}, allowed {allowed:E2}; {count} of {wanted.Length} entries differ too much."));
    }

    // How many times the allowed difference two entries are apart.
    private static double Share(double expected, double actual, double allowed)
    {
        if (double.IsInfinity(expected) || double.IsInfinity(actual))
            return expected == actual ? 0 : double.PositiveInfinity;
        var difference = Math.Abs(expected - actual);
        if (double.IsNaN(difference))
            return double.PositiveInfinity;
        return difference <= allowed ? 0 : difference / allowed;
    }

    private static (double[] Values, long[] Shape) Numbers(Tensor tensor)
    {
        var parts = tensor.is_complex() ? tensor.detach().view_as_real() : tensor.detach();
        return (parts.cpu().to(ScalarType.Float64).contiguous().data<double>().ToArray(), parts.shape);
    }

    private static long[] Place(long index, long[] shape)
    {
        var place = new long[shape.Length];
        for (var axis = shape.Length - 1; axis >= 0; axis--)
            (index, place[axis]) = Math.DivRem(index, shape[axis]);
        return place;
    }

    private static string Join(long[] numbers) => string.Join(", ", numbers);
}
