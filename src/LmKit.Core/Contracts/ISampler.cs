using static TorchSharp.torch;

namespace LmKit;

/// <summary>Draws token sequences from a model that it closed over at construction.</summary>
/// <remarks>Laws: prompt tokens never change; as many columns are added as asked unless every row ended earlier, by a stop
/// token or where the model can read no further; what a row draws depends on its own tokens, generator and options alone, so that a row
/// alone is the row in any batch; an option is obeyed, or refused at the call by its name; a consumer that stops early leaves no tensor
/// behind; temperature 0 is the argmax.
/// Each enumeration owns its state, so enumerations may run side by side on different threads.</remarks>
public interface ISampler
{
    /// <summary>Whether every version is the one before with further columns, so that what it added can be shown at once; false by default:
    /// versions may repeat a width and change what stood there.</summary>
    bool IsAppendOnly => false;

    /// <summary>Ids on which it ends a row by itself; they stand in the grid, and a text leaves them out. None by default.</summary>
    IReadOnlyList<long> StopTokens => [];

    /// <summary>Yields successive versions of the token grid; the last is the sample. What cannot be is refused at the call, not when the
    /// result is first read.</summary>
    /// <param name="request">What is continued, by how much, and what each row wants.</param>
    /// <returns>Grids (B, L') int64, each disposed by the consumer; -1 marks padding and columns after a row's end.</returns>
    IEnumerable<Tensor> Sample(SampleRequest request);
}

/// <summary>The short form of a sampler's call.</summary>
public static class SamplerCalls
{
    /// <summary>Continues a prompt with randomness from one generator.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="prompt">(B, L) int64, shorter rows padded on the left with -1; not disposed.</param>
    /// <param name="length">Columns to add after the prompt, at least 0.</param>
    /// <param name="random">Source of randomness, from which every row gets a generator of its own when the result is read
    /// (<see cref="RowGenerators.Derive"/>); null draws fresh seeds.</param>
    public static IEnumerable<Tensor> Sample(this ISampler sampler, Tensor prompt, long length, Generator? random = null)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        var request = new SampleRequest(prompt, length);
        var versions = sampler.Sample(request);
        return random is null ? versions : Derived();

        IEnumerable<Tensor> Derived()
        {
            using var rows = RowGenerators.Derive(random, prompt.size(0));
            foreach (var grid in sampler.Sample(request with { Generators = rows }))
                yield return grid;
        }
    }
}
