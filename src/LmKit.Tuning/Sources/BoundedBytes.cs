namespace LmKit;

/// <summary>Bytes that are gathered up to a limit; more are counted out, not held.</summary>
/// <param name="most">The limit.</param>
internal sealed class BoundedBytes(int most)
{
    // Beyond it the whole limit is taken at once: memory that is not written to costs nothing, old copies would.
    private const int DoubledLength = 1 << 20;

    private byte[] bytes = [];
    private int length;

    /// <summary>Whether more came than the limit.</summary>
    internal bool IsTooLong { get; private set; }

    /// <summary>What was gathered, until more comes.</summary>
    internal ReadOnlyMemory<byte> Gathered => bytes.AsMemory(0, length);

    /// <summary>Whether nothing came.</summary>
    internal bool IsEmpty => length == 0 && !IsTooLong;

    internal void Append(ReadOnlySpan<byte> more)
    {
        if (IsTooLong || more.Length > most - length)
        {
            Overflow();
            return;
        }
        if (length + more.Length > bytes.Length)
        {
            var size = length + more.Length > DoubledLength ? most : Math.Min(most, Math.Max(1 << 12, 2 * (length + more.Length)));
            var larger = GC.AllocateUninitializedArray<byte>(size);
            bytes.AsSpan(0, length).CopyTo(larger);
            bytes = larger;
        }
        more.CopyTo(bytes.AsSpan(length));
        length += more.Length;
    }

    /// <summary>Lets go of all, as too long.</summary>
    internal void Overflow() => (IsTooLong, length) = (true, 0);

    internal void Clear() => (IsTooLong, length) = (false, 0);
}
