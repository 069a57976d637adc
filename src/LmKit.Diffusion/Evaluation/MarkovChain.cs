using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A first-order Markov chain over tokens 0..K-1: exact samples, exact likelihood, exact n-gram shares, for experiments with a known truth.</summary>
public sealed class MarkovChain
{
    private const int LongestExact = 1 << 20;
    private const int MostGrams = 1 << 24;

    private readonly double[] start;
    private readonly double[][] transition;

    /// <summary>Makes the chain.</summary>
    /// <param name="transition">P (K, K); row i holds the probabilities of what follows i.</param>
    /// <param name="start">pi (K), the distribution of the first token.</param>
    /// <exception cref="ArgumentException">A row is no distribution.</exception>
    public MarkovChain(Tensor transition, Tensor start)
    {
        var check = new TensorCheck(nameof(MarkovChain));
        check.AnyFloating(start, nameof(start), "K");
        check.AnyFloating(transition, nameof(transition), "K K");
        TokenCount = start.numel();
        if (TokenCount == 0)
            throw new ArgumentException("A chain has at least one token.", nameof(start));
        if (transition.dim() != 2 || transition.size(0) != TokenCount || transition.size(1) != TokenCount)
            throw new ArgumentException($"P of {TokenCount} tokens is ({TokenCount}, {TokenCount}); got ({string.Join(", ", transition.shape)}).", nameof(transition));
        this.start = Read(start);
        this.transition = [.. Read(transition).Chunk((int)TokenCount)];
        foreach (var row in this.transition.Append(this.start))
        {
            if (row.Any(share => !(share >= 0)) || Math.Abs(row.Sum() - 1) > 1e-6)
                throw new ArgumentException($"Each row sums to 1 and holds no negative share; one sums to {row.Sum()}.", nameof(transition));
            var total = row.Sum(); // shares saved in float32 sum to 1 within 1e-7 only
            for (var token = 0; token < row.Length; token++)
                row[token] /= total;
        }
    }

    /// <summary>Number of tokens K, a mask not counted.</summary>
    public long TokenCount { get; }

    /// <summary>Draws sequences (B, L) int64.</summary>
    public Tensor Sample(long batch, long length, Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        Shapes.CheckSize([batch, length], nameof(batch));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch * length, Array.MaxLength);
        using var scope = NewDisposeScope();
        if (batch * length == 0)
            return zeros([batch, length], ScalarType.Int64).MoveToOuterDisposeScope();
        var uniforms = rand([batch, length], ScalarType.Float64, generator: random).data<double>().ToArray();
        var tokens = new long[batch * length];
        for (var at = 0; at < tokens.Length; at++)
            tokens[at] = Draw(at % length == 0 ? start : transition[tokens[at - 1]], uniforms[at]);
        return tensor(tokens, [batch, length]).MoveToOuterDisposeScope();
    }

    /// <summary>-ln p of each row of tokens (B, L), divided by L; infinite for what the chain cannot say.</summary>
    public IReadOnlyList<double> LossPerToken(Tensor tokens)
    {
        new TensorCheck(nameof(MarkovChain)).Integers(tokens, nameof(tokens), "B L");
        if (tokens.dim() != 2 || tokens.numel() == 0)
            throw new ArgumentException($"Samples are (B, L) with at least one token; got ({string.Join(", ", tokens.shape)}).", nameof(tokens));
        return [.. HostValues.Read(tokens).Chunk((int)tokens.size(1)).Select(row => -row.Select((token, at) =>
            IsKnown(token) && (at == 0 || IsKnown(row[at - 1])) ? Math.Log(at == 0 ? start[token] : transition[row[at - 1]][token]) : double.NegativeInfinity).Sum() / row.Length)];
    }

    /// <summary>exp of the mean loss per token of samples: generative perplexity under the truth.</summary>
    public double Perplexity(Tensor tokens) => Math.Exp(LossPerToken(tokens).Average());

    /// <summary>The same with its standard error over samples.</summary>
    public Estimate MeasurePerplexity(Tensor tokens) => Estimate.OfValues(LossPerToken(tokens), "samples", "exp of the mean loss of a token under the chain").Exponential();

    /// <summary>The exact mean of -ln p per token in nats of the chain's own sequences of a length: what no model can go below.</summary>
    /// <remarks>(H(pi) + sum over the other places of sum_i p(i before it) H(P_i)) / L; it falls towards the entropy rate as L grows.</remarks>
    public double EntropyPerToken(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, LongestExact);
        var rows = transition.Select(Entropy).ToArray();
        var (total, here) = (Entropy(start), start);
        for (var place = 1; place < length; place++)
        {
            total += here.Zip(rows, (share, entropy) => share * entropy).Sum();
            here = After(here);
        }
        return total / length;
    }

    /// <summary>Exact shares of n-grams over every place of sequences of a length, for <see cref="NgramDivergence"/>.</summary>
    public IReadOnlyDictionary<string, double> NgramShares(int n, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, n);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, LongestExact);
        if (Math.Pow(TokenCount, n) > MostGrams)
            throw new ArgumentOutOfRangeException(nameof(n), n, $"A chain of {TokenCount} tokens has {Math.Pow(TokenCount, n):E1} {n}-grams; at most {MostGrams} are listed.");
        var (places, here, mean) = (length - n + 1, start, new double[TokenCount]);
        for (var place = 0; place < places; place++)
        {
            for (var token = 0; token < TokenCount; token++)
                mean[token] += here[token] / places;
            here = After(here);
        }
        var grams = Enumerable.Range(0, (int)TokenCount).Select(token => (Tokens: new long[] { token }, Share: mean[token]));
        for (var k = 1; k < n; k++)
            grams = grams.SelectMany(gram => transition[gram.Tokens[^1]].Select((share, next) => (Tokens: gram.Tokens.Append(next).ToArray(), Share: gram.Share * share)));
        return grams.Where(gram => gram.Share > 0).ToDictionary(gram => NgramDivergence.Key(gram.Tokens), gram => gram.Share);
    }

    private double[] After(double[] shares) =>
        [.. Enumerable.Range(0, (int)TokenCount).Select(to => shares.Select((share, from) => share * transition[from][to]).Sum())];

    private bool IsKnown(long token) => token >= 0 && token < TokenCount;

    private static double Entropy(double[] shares) => shares.Where(share => share > 0).Sum(share => -share * Math.Log(share));

    private static long Draw(double[] shares, double uniform)
    {
        var sum = 0.0;
        for (var token = 0; token < shares.Length; token++)
        {
            sum += shares[token];
            if (uniform < sum)
                return token;
        }
        return Array.FindLastIndex(shares, share => share > 0);
    }

    private static double[] Read(Tensor values)
    {
        using var scope = NewDisposeScope();
        return values.cpu().to(ScalarType.Float64).contiguous().data<double>().ToArray();
    }
}
