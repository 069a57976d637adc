using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Bfloat16: the two inputs of an output side by side, so that a shift and a mask give both.</summary>
internal readonly unsafe struct RoundedNumbers : IPackedNumbers
{
    public static int PairBytes => 2 * sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load<V, T>(byte* from, out V first, out V second)
        where V : struct
        where T : struct, ILanes<V>
    {
        first = T.LoadFirst((ushort*)from);
        second = T.LoadSecond((ushort*)from);
    }
}
