using static TorchSharp.torch;

namespace LmKit;

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
