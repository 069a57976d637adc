using System.Runtime.Intrinsics;

namespace LmKit;

/// <summary>The widest registers that kernels use here; every kernel chooses its lanes by it.</summary>
/// <remarks>Those of the processor, as far as the runtime's switches (<c>DOTNET_EnableAVX512=0</c>, <c>DOTNET_EnableAVX2=0</c>) leave them on.</remarks>
public static class SimdWidth
{
    private static readonly int Widest = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    [ThreadStatic]
    private static int limit; // 0 for none

    /// <summary>512 with AVX-512, 256 with AVX2, otherwise 128. A kernel reads it once, on the thread that called it.</summary>
    public static int Bits => limit == 0 ? Widest : Math.Min(Widest, limit);

    /// <summary>Every width that this process can use, the widest first.</summary>
    public static IReadOnlyList<int> All => [.. new[] { 512, 256, 128 }.Where(bits => bits <= Widest)];

    /// <summary>Uses no wider registers until the result is disposed, so that one process can test every width.</summary>
    /// <remarks>Holds for kernels called on this thread, whichever threads they run on.</remarks>
    /// <param name="bits">512, 256 or 128.</param>
    public static IDisposable Limit(int bits)
    {
        if (bits is not (512 or 256 or 128))
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "Registers have 512, 256 or 128 bits.");
        var before = new Restoration(limit);
        limit = bits;
        return before;
    }

    private sealed class Restoration(int before) : IDisposable
    {
        public void Dispose() => limit = before;
    }
}
