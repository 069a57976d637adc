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
        long number => HashCode.Combine(number),
        double number => HashCode.Combine(number),
        bool truth => HashCode.Combine(truth),
        _ => RuntimeHelpers.GetHashCode(key),
    };

    public bool Equals(int x, int y) => x == y;

    public int GetHashCode(int key) => HashCode.Combine(key);
}
