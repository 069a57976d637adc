using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Judges samples against a reference distribution of n-grams and, where there is one, a scorer.</summary>
public sealed class SampleJudge
{
    private const long BatchSize = 512;

    private readonly IReadOnlyDictionary<string, double> reference;
    private readonly int n;
    private readonly Func<Tensor, Estimate>? perplexity;

    /// <summary>Makes a judge.</summary>
    /// <param name="reference">Shares of n-grams (<see cref="NgramDivergence.Shares"/>).</param>
    /// <param name="n">Tokens of an n-gram.</param>
    /// <param name="perplexity">Generative perplexity of samples (B, L) with its error (<see cref="GenerativePerplexity.Measure(ILanguageModel, Tensor, long?)"/>), or null.</param>
    public SampleJudge(IReadOnlyDictionary<string, double> reference, int n = 3, Func<Tensor, Estimate>? perplexity = null)
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        (this.reference, this.n, this.perplexity) = (reference, n, perplexity);
    }

    /// <summary>A judge that knows the truth: a chain's exact n-grams and likelihood.</summary>
    /// <param name="chain">The chain.</param>
    /// <param name="length">Tokens L of a sample.</param>
    /// <param name="n">Tokens of an n-gram.</param>
    public static SampleJudge Of(MarkovChain chain, int length, int n = 3)
    {
        ArgumentNullException.ThrowIfNull(chain);
        return new SampleJudge(chain.NgramShares(n, length), n, chain.MeasurePerplexity);
    }

    /// <summary>Judges samples (B, L).</summary>
    /// <param name="samples">The samples.</param>
    /// <param name="stepCount">Steps they were made in, for the record.</param>
    public SampleQuality Judge(Tensor samples, int stepCount)
    {
        ArgumentNullException.ThrowIfNull(samples);
        var (scored, divergence) = (perplexity?.Invoke(samples), NgramDivergence.Measure(samples, reference, n));
        var entropy = Estimate.OfValues(TokenEntropy.PerSample(samples), "samples");
        return new SampleQuality(stepCount, samples.size(0), scored?.Value, divergence.Value, entropy.Value, NgramDivergence.DuplicateRate(samples))
        {
            PerplexityError = scored?.StandardError ?? double.NaN,
            DivergenceError = divergence.StandardError,
            EntropyError = entropy.StandardError,
        };
    }

    /// <summary>Draws samples without a prompt and judges them.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="stepCount">Its steps, for the record.</param>
    /// <param name="count">How many samples.</param>
    /// <param name="length">Tokens L of each.</param>
    /// <param name="seed">Seed of the draws, which are made on the CPU wherever the sampler's model lies.</param>
    /// <param name="device">The device of the sampler's model; null for the CPU.</param>
    public SampleQuality Measure(ISampler sampler, int stepCount, long count, long length, ulong seed, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        using var scope = NewDisposeScope();
        using var random = new Generator(seed);
        var parts = new List<Tensor>();
        try
        {
            for (var done = 0L; done < count; done += BatchSize)
                parts.Add(Draw(sampler, Math.Min(BatchSize, count - done), length, random, device));
            return Judge(cat(parts, 0), stepCount);
        }
        finally
        {
            parts.ForEach(part => part.Dispose()); // samplers give grids away outside of any scope
        }
    }

    private static Tensor Draw(ISampler sampler, long batch, long length, Generator random, Device? device)
    {
        Tensor? last = null;
        try
        {
            foreach (var grid in sampler.Sample(zeros([batch, 0], ScalarType.Int64, device), length, random))
            {
                last?.Dispose();
                last = grid;
            }
        }
        catch
        {
            last?.Dispose();
            throw;
        }
        return last!;
    }
}
