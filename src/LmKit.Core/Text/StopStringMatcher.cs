namespace LmKit;

/// <summary>Looks for stop strings in streamed text and holds back what might still become one.</summary>
internal sealed class StopStringMatcher(IReadOnlyList<string> stops)
{
    private string held = "";

    /// <summary>The stop strings of an option; none when it is null, and empty ones, which every text holds, are passed over.</summary>
    /// <exception cref="ArgumentException">One is null; says which.</exception>
    internal static IReadOnlyList<string> Checked(IEnumerable<string?>? stops, string option)
    {
        string?[] all = [.. stops ?? []];
        return !all.Contains(null)
            ? [.. all.OfType<string>().Where(stop => stop.Length > 0)]
            : throw new ArgumentException($"{option}[{Array.IndexOf(all, null)}] is null; leave it out.", option);
    }

    /// <summary>Whether a stop string has been met; nothing is passed on after it.</summary>
    internal bool HasStopped { get; private set; }

    /// <summary>Takes new text and returns what is safe to pass on.</summary>
    internal string Add(string text)
    {
        if (HasStopped)
            return "";
        held += text;
        var first = stops.Select(stop => held.IndexOf(stop, StringComparison.Ordinal)).Where(index => index >= 0).DefaultIfEmpty(-1).Min();
        if (first >= 0)
        {
            HasStopped = true;
            return Take(first);
        }
        return Take(held.Length - LongestPartial());
    }

    /// <summary>Returns what was held back, at the end of the text.</summary>
    internal string Flush() => HasStopped ? "" : Take(held.Length);

    private string Take(int length)
    {
        var safe = held[..length];
        held = held[length..];
        return safe;
    }

    private int LongestPartial()
    {
        for (var length = Math.Min(held.Length, stops.Select(stop => stop.Length - 1).DefaultIfEmpty(0).Max()); length > 0; length--)
        {
            var end = held.AsSpan(held.Length - length);
            foreach (var stop in stops)
            {
                if (stop.Length > length && stop.AsSpan().StartsWith(end, StringComparison.Ordinal))
                    return length;
            }
        }
        return 0;
    }
}
