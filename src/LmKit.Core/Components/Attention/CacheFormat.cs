using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>In which numbers a key-value cache holds keys and values.</summary>
public enum CacheFormat
{
    /// <summary>As attention computes them, the default.</summary>
    Full,

    /// <summary>Whole numbers from -127 to 127 and one float32 scale for each key head and slot, about a quarter of the memory: entry x of a
    /// head's key or value is held as round(127 x / m) with the scale m / 127, m the largest absolute entry, so that it is off by m / 254 at
    /// most. Attention over 600 normally distributed keys of width 64 then moves by 0.8 % of its root mean square, and by 4 % where two
    /// entries of every key are eight times as large and scores are peaked. Rotary keys are turned first. Whole calls without a state are exact; with one all keys are held first, the call's own too, so
    /// that outputs do not depend on how a text is cut.</summary>
    EightBits,
}

/// <summary>Numbers of heads as whole numbers of 8 bits with a scale for each head and slot, symmetric around 0.</summary>
internal static class Int8Codes
{
    private const double Largest = 127;

    /// <summary>Codes and scales of numbers (..., P): int8 (..., P), and (..., 1) in the numbers' dtype; in the caller's scope.</summary>
    internal static (Tensor Codes, Tensor Scales) Encode(Tensor numbers)
    {
        using var scope = NewDisposeScope();
        var scales = numbers.abs().amax([-1], keepdim: true) / Largest;
        var codes = (numbers / scales.masked_fill(scales.eq(0), 1)).round().to(ScalarType.Int8);
        return (codes.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>The numbers that codes stand for, in the dtype of the scales and the caller's scope.</summary>
    internal static Tensor Decode(Tensor codes, Tensor scales)
    {
        using var wide = codes.to(scales.dtype);
        return wide * scales;
    }

    /// <summary>The numbers as they come back, with the gradient of the numbers themselves; in the caller's scope.</summary>
    internal static Tensor Round(Tensor numbers)
    {
        using var scope = NewDisposeScope();
        using var exact = numbers.detach();
        var (codes, scales) = Encode(exact);
        return (numbers + (Decode(codes, scales) - exact)).MoveToOuterDisposeScope();
    }
}
