using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>The loss of a model that reads on, beside that of the same model reading the last tokens anew for every token: the best that a window can do.</summary>
/// <param name="Lambda">Nats a token, reading on.</param>
/// <param name="Encoded">Nats a token, reading anew.</param>
/// <param name="Count">Tokens that were compared.</param>
internal sealed record ReEncoded(double Lambda, double Encoded, int Count)
{
    private const int Step = 8; // of the tokens that are compared
    private const int BatchSize = 256;

    /// <summary>Compares both on every eighth token from twice the trained length on.</summary>
    /// <param name="model">The model that reads on.</param>
    /// <param name="texts">The texts, which <see cref="ByteText.Begin"/> precedes.</param>
    /// <param name="trained">The trained length: the beginning and the last bytes before a token are read anew.</param>
    /// <param name="cancellation">Observed between batches.</param>
    internal static ReEncoded Compare(LanguageModel model, IReadOnlyList<IReadOnlyList<int>> texts, int trained, CancellationToken cancellation)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var whole = tensor(texts.SelectMany(text => text.Select(token => (long)token).Prepend(ByteText.Begin)).ToArray(), [texts.Count, texts[0].Count + 1]);
        var losses = NextTokenLoss.PerToken(model, whole); // (B, L - 1): place p is the loss of token p + 1
        var places = Enumerable.Range(0, texts.Count).SelectMany(text => Enumerable.Range(2 * trained, texts[text].Count - 2 * trained).Where(place => place % Step == 0).Select(place => (Text: text, Place: place))).ToArray();
        var (reading, anew) = (0.0, 0.0);
        foreach (var batch in places.Chunk(BatchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            // The target and the bytes before it, behind the beginning.
            var rows = stack(batch.Select(one => whole[one.Text].narrow(0, one.Place - trained + 2, trained)).ToArray());
            var windows = cat([full([batch.Length, 1], ByteText.Begin, ScalarType.Int64), rows], 1); // (N, 1 + trained)
            anew += NextTokenLoss.PerToken(model, windows).select(1, -1).to(ScalarType.Float64).sum().ToDouble();
            reading += batch.Sum(one => losses[one.Text, one.Place].ToDouble());
        }
        return new ReEncoded(reading / places.Length, anew / places.Length, places.Length);
    }
}
