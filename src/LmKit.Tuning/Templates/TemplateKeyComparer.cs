namespace LmKit;

/// <summary>Equality of the keys of mappings and of what <c>unique</c> tells apart.</summary>
internal sealed class TemplateKeyComparer : IEqualityComparer<object>
{
    internal static readonly TemplateKeyComparer Instance = new();

    public new bool Equals(object? left, object? right) => (left, right) switch
    {
        (MarkedText a, MarkedText b) => a.Text == b.Text,
        (bool or long or double, bool or long or double) => TemplateNumbers.Compare(left, right) == 0,
        _ => ReferenceEquals(left, right),
    };

    // Both kinds of hash depend on a secret of the process, so that no template can make keys collide.
    public int GetHashCode(object key) => key switch
    {
        MarkedText text => text.Text.GetHashCode(StringComparison.Ordinal),
        bool flag => HashCode.Combine(flag ? 1L : 0L),
        long whole => HashCode.Combine(whole),
        double number when number == Math.Floor(number) && Math.Abs(number) < 9.2e18 => HashCode.Combine((long)number),
        double number => HashCode.Combine(number),
        _ => 0,
    };
}
