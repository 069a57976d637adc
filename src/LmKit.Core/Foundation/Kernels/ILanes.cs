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

    /// <summary>e to the power of each.</summary>
    static abstract TVector Exp(TVector a);

    /// <summary>The sum over the lanes.</summary>
    static abstract float Sum(TVector a);

    /// <summary>Transposes a <see cref="Count"/> x <see cref="Count"/> matrix in place.</summary>
    static abstract void Transpose(float* matrix);
}
