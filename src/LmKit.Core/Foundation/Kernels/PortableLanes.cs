using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LmKit;

/// <summary>A vector of float32 numbers of one width: a kernel's loop is written once over it and instantiated per width.</summary>
/// <remarks>Members are inlined into the kernel. <see cref="SimdWidth"/> says which width to choose; addresses need no alignment.</remarks>
/// <typeparam name="TVector">The vector.</typeparam>
public unsafe interface ILanes<TVector>
    where TVector : struct
{
    /// <summary>How many numbers there are.</summary>
    static abstract int Count { get; }

    /// <summary>Reads <see cref="Count"/> numbers.</summary>
    static abstract TVector Load(float* source);

    /// <summary>Reads <see cref="Count"/> pairs of bfloat16 numbers and gives the first of each.</summary>
    static abstract TVector LoadFirst(ushort* pairs);

    /// <summary>Reads <see cref="Count"/> pairs of bfloat16 numbers and gives the second of each.</summary>
    static abstract TVector LoadSecond(ushort* pairs);

    /// <summary>Writes <see cref="Count"/> numbers.</summary>
    static abstract void Store(TVector value, float* target);

    /// <summary>The same number in every lane.</summary>
    static abstract TVector Broadcast(float value);

    /// <summary>a + b.</summary>
    static abstract TVector Add(TVector a, TVector b);

    /// <summary>a - b.</summary>
    static abstract TVector Subtract(TVector a, TVector b);

    /// <summary>a b.</summary>
    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>a b + c, with one rounding where the processor can.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>c - a b, with one rounding where the processor can.</summary>
    static abstract TVector SubtractMultiplied(TVector a, TVector b, TVector c);

    /// <summary>a b of complex numbers, whose real and imaginary parts lie side by side.</summary>
    static abstract TVector MultiplyComplex(TVector a, TVector b);

    /// <summary>The larger one of each pair; b where one is not a number.</summary>
    static abstract TVector Max(TVector a, TVector b);

    /// <summary>e to the power of each.</summary>
    static abstract TVector Exp(TVector a);

    /// <summary>The sum over the lanes.</summary>
    static abstract float Sum(TVector a);

    /// <summary>Transposes a <see cref="Count"/> x <see cref="Count"/> matrix in place.</summary>
    static abstract void Transpose(float* matrix);
}

/// <summary>Four lanes, on any processor: without vector hardware the runtime computes them one by one.</summary>
public readonly unsafe struct PortableLanes : ILanes<Vector128<float>>
{
    /// <inheritdoc/>
    public static int Count => 4;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadFirst(ushort* pairs) => (Vector128.Load((uint*)pairs) << 16).AsSingle();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadSecond(ushort* pairs) => (Vector128.Load((uint*)pairs) & Vector128.Create(0xFFFF0000u)).AsSingle();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> value, float* target) => value.Store(target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(float value) => Vector128.Create(value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.MultiplyAddEstimate(a, b, c);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SubtractMultiplied(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.MultiplyAddEstimate(-a, b, c);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyComplex(Vector128<float> a, Vector128<float> b)
    {
        var crossed = Vector128.Shuffle(a, Vector128.Create(1, 0, 3, 2)) * Vector128.Shuffle(b, Vector128.Create(1, 1, 3, 3));
        return Vector128.MultiplyAddEstimate(a, Vector128.Shuffle(b, Vector128.Create(0, 0, 2, 2)), crossed * Vector128.Create(-1f, 1, -1, 1));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Max(Vector128<float> a, Vector128<float> b) => Vector128.ConditionalSelect(Vector128.GreaterThan(a, b), a, b);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Exp(Vector128<float> a) => Vector128.Exp(a);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> a) => Vector128.Sum(a);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* matrix)
    {
        for (var row = 0; row < 4; row++)
        {
            for (var column = row + 1; column < 4; column++)
                (matrix[4 * row + column], matrix[4 * column + row]) = (matrix[4 * column + row], matrix[4 * row + column]);
        }
    }
}
