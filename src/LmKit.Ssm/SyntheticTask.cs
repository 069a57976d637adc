using static TorchSharp.torch;

namespace LmKit;

/// <summary>A synthetic recall task: token sequences whose last token follows from the ones before (Fu et al. 2022, Section 3.1).</summary>
/// <remarks>Token ids are places in the vocabulary's strings sorted as text: "." is 0, then the numbers ("10" before "2"), and "=>"
/// is the last. Models are scored on the last token only.</remarks>
public abstract class SyntheticTask
{
    private protected SyntheticTask(int vocabSize, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vocabSize, 1 << 20);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 1 << 20);
        Vocabulary = [.. Enumerable.Range(0, vocabSize - 2).Select(number => number.ToString(System.Globalization.CultureInfo.InvariantCulture)).Append(".").Append("=>").Order(StringComparer.Ordinal)];
        Length = length;
    }

    /// <summary>The symbols by token id.</summary>
    public IReadOnlyList<string> Vocabulary { get; }

    /// <summary>The length that the task is named by; examples are a little longer.</summary>
    public int Length { get; }

    /// <summary>Tokens of an example.</summary>
    public abstract int ExampleLength { get; }

    /// <summary>The marker "=>" that asks.</summary>
    protected long Marker => Vocabulary.Count - 1;

    /// <summary>Draws examples, no two alike.</summary>
    /// <param name="count">How many.</param>
    /// <param name="random">Source of randomness.</param>
    /// <param name="others">Examples (N, T) that must not come again, such as those trained on; or null.</param>
    /// <returns>(count, <see cref="ExampleLength"/>) int64; the caller's.</returns>
    /// <exception cref="InvalidOperationException">So many different ones could not be drawn.</exception>
    public Tensor Sample(int count, Generator random, Tensor? others = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentNullException.ThrowIfNull(random);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var row in others is null ? [] : HostValues.Read(others).Chunk(ExampleLength))
            _ = seen.Add(string.Join(' ', row));
        var tokens = new List<long>(count * ExampleLength);
        for (var tries = 0; tokens.Count < count * ExampleLength; tries++)
        {
            if (tries > 1000 + 100 * count)
                throw new InvalidOperationException($"{GetType().Name} of length {Length} has fewer than {count} different examples; lengthen it or ask for fewer.");
            var example = Draw(random);
            if (seen.Add(string.Join(' ', example)))
                tokens.AddRange(example);
        }
        return tensor(tokens.ToArray(), [count, ExampleLength]);
    }

    /// <summary>Draws one example.</summary>
    protected abstract long[] Draw(Generator random);

    /// <summary>Integers below a bound.</summary>
    private protected static long[] Integers(long bound, int count, Generator random)
    {
        using var drawn = randint(0, bound, [count], dtype: ScalarType.Int64, generator: random);
        return HostValues.Read(drawn);
    }
}
