using System.Runtime.Intrinsics;

namespace LmKit;

/// <summary>The widest registers that kernels use here.</summary>
/// <remarks>Chosen once; the runtime's switches (<c>DOTNET_EnableAVX512=0</c>, <c>DOTNET_EnableAVX2=0</c>) lower it.</remarks>
public static class SimdWidth
{
    /// <summary>512 with AVX-512, 256 with AVX2, otherwise 128; every kernel chooses its lanes by it.</summary>
    public static int Bits { get; } = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
}
