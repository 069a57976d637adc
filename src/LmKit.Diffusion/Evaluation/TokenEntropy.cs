using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The entropy of how often each token occurs in a sample: low when a sampler repeats itself.</summary>
public static class TokenEntropy
{
    /// <summary>Unigram entropy in nats of each row of tokens (B, L); the published figure is their mean.</summary>
    public static IReadOnlyList<double> PerSample(Tensor tokens)
    {
        new TensorCheck(nameof(TokenEntropy)).Integers(tokens, nameof(tokens), "B L");
        if (tokens.dim() != 2 || tokens.numel() == 0)
            throw new ArgumentException($"Samples are (B, L) with at least one token; got ({string.Join(", ", tokens.shape)}).", nameof(tokens));
        return [.. HostValues.Read(tokens).Chunk((int)tokens.size(1)).Select(row => Entropy(row))];
    }

    /// <summary>The mean over samples.</summary>
    public static double Mean(Tensor tokens) => PerSample(tokens).Average();

    private static double Entropy(long[] row) => row.CountBy(token => token).Sum(pair =>
    {
        var share = (double)pair.Value / row.Length;
        return -share * Math.Log(share);
    });
}
