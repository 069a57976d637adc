using static TorchSharp.torch;

namespace LmKit;

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
