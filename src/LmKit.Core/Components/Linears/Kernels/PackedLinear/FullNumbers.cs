using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Float32: the first input of every output, then the second.</summary>
internal readonly unsafe struct FullNumbers : IPackedNumbers
{
    public static int PairBytes => 2 * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load<V, T>(byte* from, out V first, out V second)
        where V : struct
        where T : struct, ILanes<V>
    {
        first = T.Load((float*)from);
        second = T.Load((float*)from + T.Count);
    }
}
