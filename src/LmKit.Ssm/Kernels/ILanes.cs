namespace LmKit;

/// <summary>A vector of floats of one width, chosen at run time; all members are inlined into the kernel.</summary>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface ILanes<TVector>
    where TVector : struct
{
    static abstract int Count { get; }

    static abstract TVector Load(float* from);

    static abstract void Store(TVector value, float* to);

    static abstract TVector Broadcast(float value);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>a b + c.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>c - a b.</summary>
    static abstract TVector SubtractMultiplied(TVector a, TVector b, TVector c);

    static abstract TVector Exp(TVector a);

    static abstract float Sum(TVector a);

    /// <summary>Transposes a Count x Count matrix in place.</summary>
    static abstract void Transpose(float* matrix);
}
