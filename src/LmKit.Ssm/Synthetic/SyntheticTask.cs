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

/// <summary>Associative recall: pairs of key and value, then "=>", a key that has occurred, and its value.</summary>
/// <param name="vocabSize">Vocabulary size V; the first half of its V - 2 ordinary symbols are keys, the others values.</param>
/// <param name="length">Tokens of the pairs; an odd one is rounded down.</param>
public sealed class AssociativeRecallTask(int vocabSize = 10, int length = 20) : SyntheticTask(
    vocabSize >= 4 ? vocabSize : throw new ArgumentOutOfRangeException(nameof(vocabSize), vocabSize, "A key and a value need a vocabulary of at least 4."),
    length >= 2 ? length : throw new ArgumentOutOfRangeException(nameof(length), length, "One pair needs a length of at least 2."))
{
    /// <inheritdoc/>
    public override int ExampleLength => Length / 2 * 2 + 3;

    /// <inheritdoc/>
    protected override long[] Draw(Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        var ordinary = Vocabulary.Count - 2;
        var (keyCount, valueCount, pairs) = (ordinary / 2, ordinary - ordinary / 2, Length / 2);
        var values = Integers(valueCount, keyCount, random); // of each key
        var keys = Integers(keyCount, pairs, random);
        var query = Integers(keyCount, 1, random)[0];
        if (!keys.Contains(query))
        {
            var present = keys.Distinct().Order().ToArray();
            query = present[Integers(present.Length, 1, random)[0]];
        }
        return [.. keys.SelectMany(key => new[] { 1 + key, Value(key) }), Marker, 1 + query, Value(query)];

        long Value(long key) => 1 + keyCount + values[key];
    }
}

/// <summary>Induction head: random symbols with "=>" somewhere among them, then "=>" again and what followed the first.</summary>
/// <param name="vocabSize">Vocabulary size V.</param>
/// <param name="length">Tokens before the second "=>".</param>
public sealed class InductionHeadTask(int vocabSize = 20, int length = 30) : SyntheticTask(
    vocabSize >= 3 ? vocabSize : throw new ArgumentOutOfRangeException(nameof(vocabSize), vocabSize, "One ordinary symbol needs a vocabulary of at least 3."),
    length >= 3 ? length : throw new ArgumentOutOfRangeException(nameof(length), length, "The first marker and what follows it need a length of at least 3."))
{
    /// <inheritdoc/>
    public override int ExampleLength => Length + 2;

    /// <inheritdoc/>
    protected override long[] Draw(Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        var symbols = Integers(Vocabulary.Count - 2, Length, random).Select(symbol => symbol + 1).ToArray();
        var place = Integers(Length - 2, 1, random)[0];
        symbols[place] = Marker;
        return [.. symbols, Marker, symbols[place + 1]];
    }
}
