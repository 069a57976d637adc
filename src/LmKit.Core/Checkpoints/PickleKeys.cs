using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Compares the keys of a pickle's dictionaries and of its memory; hashes are mixed with a secret, so that no file can make all meet.</summary>
internal sealed class PickleKeys : IEqualityComparer<object>, IEqualityComparer<int>
{
    internal static readonly PickleKeys Instance = new();

    bool IEqualityComparer<object>.Equals(object? x, object? y) => Equals(x, y);

    int IEqualityComparer<object>.GetHashCode(object key) => key switch
    {
        string text => text.GetHashCode(StringComparison.Ordinal),
        long number => Mixed(number),
        double number => Mixed(BitConverter.DoubleToInt64Bits(number == 0 ? 0 : number)),
        bool truth => HashCode.Combine(truth),
        _ => RuntimeHelpers.GetHashCode(key),
    };

    public bool Equals(int x, int y) => x == y;

    public int GetHashCode(int key) => HashCode.Combine(key);

    // Both halves apart: a number's own hash folds them into one, which a file can choose to be the same for all.
    private static int Mixed(long number) => HashCode.Combine((int)number, (int)(number >> 32));
}
