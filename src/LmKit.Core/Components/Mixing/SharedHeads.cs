using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Query heads that read one key head, laid out as more rows of that head, so that keys are never repeated.</summary>
internal static class SharedHeads
{
    /// <summary>(B, H, L, X) to (B, Hkv, H / Hkv * L, X).</summary>
    internal static Tensor Join(Tensor x, long keyHeads) => x.size(1) == keyHeads
        ? x.alias()
        : x.reshape(x.size(0), keyHeads, x.size(1) / keyHeads * x.size(2), x.size(3));

    /// <summary>(B, Hkv, H / Hkv * L, X) to (B, H, L, X).</summary>
    internal static Tensor Split(Tensor x, long heads) => x.size(1) == heads
        ? x.alias()
        : x.reshape(x.size(0), heads, x.size(2) * x.size(1) / heads, x.size(3));

    /// <summary>A mask (..., L, M) for the rows that <see cref="Join"/> makes.</summary>
    internal static Tensor Repeat(Tensor mask, long sharing)
    {
        if (sharing == 1)
            return mask.alias();
        var repeats = new long[mask.dim()];
        Array.Fill(repeats, 1);
        repeats[^2] = sharing;
        return mask.repeat(repeats);
    }
}
