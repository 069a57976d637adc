using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Arguments of a call: as they should be, or not in one way or another.</summary>
/// <param name="random">What decides it.</param>
/// <param name="isUsual">Whether all are as they should be.</param>
internal sealed class CallArguments(FuzzRandom random, bool isUsual = false)
{
    private const double OddShare = 0.35;

    private static readonly ScalarType[] Types =
    [
        ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16, ScalarType.Byte, ScalarType.Bool, ScalarType.ComplexFloat32,
    ];

    private static readonly double[] Numbers = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0, -0.0, -1, 1, 1e300, 1e-300, 2];

    private static readonly long[] Sizes = [0, -1, 1, 2, 3, 7, int.MaxValue, 1L << 31, 1L << 40, long.MaxValue, long.MinValue];

    /// <summary>What is odd about the call, for the report.</summary>
    internal List<string> Oddities { get; } = [];

    internal FuzzRandom Random => random;

    /// <summary>Floats of a shape.</summary>
    internal Tensor Floats(params long[] shape) => Made(shape, sizes => (rand([.. sizes]) * 2 - 1).to(ScalarType.Float32));

    /// <summary>Floats above 0, such as shares and levels.</summary>
    internal Tensor Shares(params long[] shape) => Made(shape, sizes => rand([.. sizes]).to(ScalarType.Float32));

    /// <summary>Doubles of a shape.</summary>
    internal Tensor Doubles(params long[] shape) => Made(shape, sizes => rand([.. sizes], ScalarType.Float64));

    /// <summary>Complex numbers of a shape.</summary>
    internal Tensor Complex(params long[] shape) => Made(shape, sizes => rand([.. sizes], ScalarType.ComplexFloat32));

    /// <summary>Rows of shares that sum to 1.</summary>
    internal Tensor Rows(params long[] shape) => Made(shape, sizes => rand([.. sizes], ScalarType.Float64).softmax(-1));

    /// <summary>A type of numbers.</summary>
    internal ScalarType Type(ScalarType usual) => IsOdd(OddShare) ? Odd("type", random.Pick(Types)) : usual;

    /// <summary>Ids below a limit.</summary>
    internal Tensor Ids(long limit, params long[] shape) => Made(shape, sizes => randint(0, limit, [.. sizes], dtype: ScalarType.Int64));

    /// <summary>What was saved before.</summary>
    internal Tensor Saved(Tensor saved) => Made(saved.shape, sizes => sizes.AsSpan().SequenceEqual(saved.shape) ? saved.clone() : zeros([.. sizes], saved.dtype));

    /// <summary>Truth values.</summary>
    internal Tensor Flags(params long[] shape) => Made(shape, sizes => rand([.. sizes]).gt(0.5));

    /// <summary>The same tensor, or none.</summary>
    internal Tensor? Maybe(Func<Tensor> make) => random.Chance(0.4) ? null : make();

    internal long Size(long usual) => IsOdd(OddShare / 2) ? Odd("size", random.Pick(Sizes)) : usual;

    internal int Count(int usual) => IsOdd(OddShare / 2) ? Odd("count", (int)Math.Clamp(random.Pick(Sizes), int.MinValue, 100_000)) : usual;

    internal double Number(double usual) => IsOdd(OddShare / 2) ? Odd("number", random.Pick(Numbers)) : usual;

    private Tensor Made(long[] shape, Func<long[], Tensor> make)
    {
        if (!IsOdd(OddShare))
            return make(shape);
        long[] sizes = [.. shape];
        switch (random.Below(10))
        {
            case 0 when sizes.Length > 0:
                sizes[random.Below(sizes.Length)] = Odd("axis", random.Pick([0L, 1, 2, 3, 5, 64]));
                return make(sizes);
            case 1 when sizes.Length > 0:
                return make(Odd("rank", sizes[1..]));
            case 2:
                return make(Odd<long[]>("rank", [1, .. sizes]));
            case 3:
                return make(Odd<long[]>("rank", []));
            case 4:
                return make(sizes).to(Odd("meta", device(DeviceType.META)));
            case 5:
                var disposed = make(sizes);
                disposed.Dispose();
                return Odd("disposed", disposed);
            case 6:
                return Odd<Tensor>("null", null!);
            case 7:
                var values = make(sizes);
                using (no_grad())
                    values.fill_(values.dtype == ScalarType.Int64 ? random.Pick([-1L, 99, long.MaxValue, long.MinValue]) : values.dtype == ScalarType.Bool ? 1 : random.Pick([double.NaN, double.PositiveInfinity, 1e30, -1e30, 0]));
                return Odd("values", values);
            case 8 when sizes.Length > 1:
                (sizes[^1], sizes[^2]) = (sizes[^2], sizes[^1]);
                return Odd("strided", make(sizes).transpose(-1, -2));
            default:
                return make(sizes).to(Odd("type", random.Pick(Types)));
        }
    }

    private bool IsOdd(double share) => !isUsual && random.Chance(share);

    private T Odd<T>(string kind, T value)
    {
        Oddities.Add(value is double or long or int or ScalarType ? FormattableString.Invariant($"{kind} {value}") : kind);
        return value;
    }
}
