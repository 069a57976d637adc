using System.Globalization;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A table between the tensor names of a published model family and ours, usable in both directions.</summary>
/// <remarks>
/// A name that no row knows passes through unchanged, so that <see cref="CheckpointLoader"/> can list it as unexpected.
/// The first row that knows a name takes it. Thread-safe.
/// </remarks>
public sealed class KeyMap
{
    private readonly (KeyPattern[] Published, KeyPattern[] Ours, KeyMapRow Row)[] rows;

    /// <summary>Makes the table from its rows.</summary>
    public KeyMap(params KeyMapRow[] rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        Rows = rows;
        this.rows = [.. rows.Select(row => (row.Published.Select(text => new KeyPattern(text)).ToArray(), row.Ours.Select(text => new KeyPattern(text)).ToArray(), row))];
    }

    /// <summary>The rows, in the order they are tried.</summary>
    public IReadOnlyList<KeyMapRow> Rows { get; }

    /// <summary>Renames and rearranges published tensors into ours; the caller disposes the result and keeps the input.</summary>
    /// <exception cref="CheckpointMismatchException">A row finds some of its tensors but not all.</exception>
    public Dictionary<string, Tensor> ToOurs(IReadOnlyDictionary<string, Tensor> published) =>
        Apply(published, [.. rows.Select(row => (row.Published, row.Ours, row.Row.LayerShift))], (row, tensors, count) => row.Step.ToOurs(tensors, count));

    /// <summary>Renames and rearranges our tensors into the published layout; the caller disposes the result and keeps the input.</summary>
    /// <exception cref="CheckpointMismatchException">A row finds some of its tensors but not all.</exception>
    public Dictionary<string, Tensor> ToPublished(IReadOnlyDictionary<string, Tensor> ours)
    {
        var published = Apply(ours, [.. rows.Select(row => (row.Ours, row.Published, -row.Row.LayerShift))], (row, tensors, count) => row.Step.ToPublished(tensors, count));
        try
        {
            foreach (var row in Rows.Where(row => row.Step is DerivedLayout))
                Add(published, [row.Published[0]], row.Step.ToPublished([], 1));
            return published;
        }
        catch
        {
            DisposeAll(published);
            throw;
        }
    }

    /// <summary>Whether a row leaves a published tensor out of ours.</summary>
    internal bool Omits(string published) =>
        FindRow([.. rows.Select(row => (row.Published, row.Ours, 0))], published) is (var at, not null) && rows[at].Ours.Length == 0;

    /// <summary>The row that each of our tensors comes from, with the names of all the tensors that it takes part with; one that no row knows
    /// has its own name there.</summary>
    internal List<KeyMapUse> Uses(IEnumerable<string> ours)
    {
        (KeyPattern[], KeyPattern[], int)[] patterns = [.. rows.Select(row => (row.Ours, row.Published, -row.Row.LayerShift))];
        var taken = new HashSet<string>(StringComparer.Ordinal);
        var uses = new List<KeyMapUse>();
        foreach (var name in ours.Where(name => !taken.Contains(name)))
        {
            var (at, numbers) = FindRow(patterns, name);
            var use = numbers is null
                ? new KeyMapUse([name], [name], LayoutStep.Same)
                : new KeyMapUse([.. rows[at].Published.Select(pattern => pattern.Fill(numbers, -Rows[at].LayerShift))], [.. rows[at].Ours.Select(pattern => pattern.Fill(numbers, 0))], Rows[at].Step);
            taken.UnionWith(use.Ours);
            uses.Add(use);
        }
        return uses;
    }

    private Dictionary<string, Tensor> Apply(
        IReadOnlyDictionary<string, Tensor> given,
        (KeyPattern[] From, KeyPattern[] To, int Shift)[] patterns,
        Func<KeyMapRow, Tensor[], int, Tensor[]> step)
    {
        ArgumentNullException.ThrowIfNull(given);
        using var unrecorded = no_grad();
        var result = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var taken = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            foreach (var (name, tensor) in given)
            {
                if (taken.Contains(name))
                    continue;
                var (at, numbers) = FindRow(patterns, name);
                if (numbers is null)
                {
                    Add(result, [name], [tensor.alias()]);
                    continue;
                }
                var (from, to, shift) = patterns[at];
                var names = from.Select(pattern => pattern.Fill(numbers, 0)).ToArray();
                taken.UnionWith(names);
                if (to.Length > 0)
                    Add(result, [.. to.Select(pattern => pattern.Fill(numbers, shift))], step(Rows[at], Gather(given, names), to.Length));
            }
            return result;
        }
        catch
        {
            DisposeAll(result);
            throw;
        }
    }

    private static (int Row, SortedDictionary<string, int>? Numbers) FindRow((KeyPattern[] From, KeyPattern[] To, int Shift)[] patterns, string name)
    {
        for (var row = 0; row < patterns.Length; row++)
        {
            foreach (var pattern in patterns[row].From)
            {
                if (pattern.Match(name) is { } numbers)
                    return (row, numbers);
            }
        }
        return (-1, null);
    }

    private static Tensor[] Gather(IReadOnlyDictionary<string, Tensor> given, string[] names)
    {
        var missing = names.Where(name => !given.ContainsKey(name)).ToArray();
        return missing.Length == 0
            ? [.. names.Select(name => given[name])]
            : throw new CheckpointMismatchException($"The checkpoint (beside {string.Join(", ", names.Except(missing))})", missing, [], [], []);
    }

    // Takes the tensors over; those that find no place are disposed.
    private static void Add(Dictionary<string, Tensor> result, string[] names, Tensor[] tensors)
    {
        for (var i = 0; i < names.Length; i++)
        {
            if (result.TryAdd(names[i], tensors[i]))
                continue;
            foreach (var tensor in tensors.Skip(i))
                tensor.Dispose();
            throw new ArgumentException($"Two tensors of the checkpoint become '{names[i]}'; correct the key map.");
        }
    }

    private static void DisposeAll(Dictionary<string, Tensor> tensors)
    {
        foreach (var tensor in tensors.Values)
            tensor.Dispose();
    }
}

/// <summary>One row of a key map: published name patterns, ours, and how the tensors change between them.</summary>
/// <remarks>
/// In a pattern, a letter or word in braces stands for a number, the same one in every pattern of the row:
/// <c>backbone.layers.{l}.norm1.weight</c>. All other characters stand for themselves.
/// </remarks>
/// <param name="Published">Patterns of the published tensors, in the order the step takes them.</param>
/// <param name="Ours">Patterns of our tensors, in the order the step takes them.</param>
/// <param name="Step">The rearrangement between the two.</param>
/// <param name="LayerShift">Our <c>{l}</c> is the published one plus this.</param>
public sealed record KeyMapRow(IReadOnlyList<string> Published, IReadOnlyList<string> Ours, LayoutStep Step, int LayerShift = 0)
{
    /// <summary>One tensor under two names, with an optional <paramref name="step"/> between them.</summary>
    public static KeyMapRow Rename(string published, string ours, LayoutStep? step = null, int layerShift = 0) =>
        new([published], [ours], step ?? LayoutStep.Same, layerShift);

    /// <summary>One published tensor whose rows are several of ours, such as Wqkv; without <paramref name="sizes"/> in equal parts.</summary>
    public static KeyMapRow Split(string published, string[] ours, long[]? sizes = null, int layerShift = 0) =>
        new([published], ours, LayoutStep.SplitRows(sizes ?? []), layerShift);

    /// <summary>Several published tensors that are the rows of one of ours; without <paramref name="sizes"/> in equal parts.</summary>
    public static KeyMapRow Join(string[] published, string ours, long[]? sizes = null, int layerShift = 0) =>
        new(published, [ours], LayoutStep.JoinRows(sizes ?? []), layerShift);

    /// <summary>A published tensor that has no counterpart here and is left out.</summary>
    public static KeyMapRow Omit(string published) => new([published], [], LayoutStep.Same);

    /// <summary>A published tensor that has no counterpart here because it follows from sizes, such as rotary's frequencies: left out of
    /// ours, made for the published layout.</summary>
    /// <param name="published">Its name, without numbers in braces.</param>
    /// <param name="make">Makes it; the result is the map's.</param>
    public static KeyMapRow Derive(string published, Func<Tensor> make)
    {
        ArgumentNullException.ThrowIfNull(published);
        ArgumentNullException.ThrowIfNull(make);
        return published.Contains('{', StringComparison.Ordinal)
            ? throw new ArgumentException($"'{published}' stands for several tensors; a derived one is written once, by its whole name.", nameof(published))
            : new([published], [], new DerivedLayout(make));
    }
}

/// <summary>One use of a key map's row.</summary>
/// <param name="Published">The published tensors, in the order the step takes them.</param>
/// <param name="Ours">Ours, in the order the step takes them.</param>
/// <param name="Step">The rearrangement between the two.</param>
internal sealed record KeyMapUse(string[] Published, string[] Ours, LayoutStep Step);

/// <summary>A tensor name with numbers in braces, matched and filled in.</summary>
internal sealed partial class KeyPattern
{
    private readonly string pattern;
    private readonly Regex matcher;

    internal KeyPattern(string pattern)
    {
        this.pattern = pattern;
        var parts = Placeholder().Split(pattern); // texts and placeholder names alternate
        matcher = new Regex("^" + string.Concat(parts.Select((part, i) => i % 2 == 0 ? Regex.Escape(part) : $"(?<{part}>[0-9]{{1,9}})")) + "$", RegexOptions.CultureInvariant);
    }

    /// <summary>The numbers in <paramref name="name"/>, or null when it does not match.</summary>
    internal SortedDictionary<string, int>? Match(string name)
    {
        var match = matcher.Match(name);
        if (!match.Success)
            return null;
        var numbers = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var key in matcher.GetGroupNames().Where(key => key != "0"))
            numbers[key] = int.Parse(match.Groups[key].ValueSpan, CultureInfo.InvariantCulture);
        return numbers;
    }

    /// <summary>The name with <paramref name="numbers"/> filled in; <paramref name="shift"/> is added to l.</summary>
    internal string Fill(SortedDictionary<string, int> numbers, int shift) => Placeholder().Replace(pattern, match =>
    {
        var key = match.Groups[1].Value;
        return (numbers[key] + (key == "l" ? shift : 0)).ToString(CultureInfo.InvariantCulture);
    });

    [GeneratedRegex(@"\{([a-z]+)\}")]
    private static partial Regex Placeholder();
}
