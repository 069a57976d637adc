using static TorchSharp.torch;

namespace LmKit;

/// <summary>Draws token sequences from a model that it closed over at construction.</summary>
/// <remarks>Laws: prompt tokens never change; as many columns are added as asked unless every row ended earlier, by a stop
/// token or where the model can read no further; the same
/// generator seed gives the same result; a consumer that stops early leaves no tensor behind; temperature 0 is the argmax.
/// Each enumeration owns its state, so enumerations may run side by side on different threads.</remarks>
public interface ISampler
{
    /// <summary>Whether every version is the one before with further columns, so that what it added can be shown at once; false by default:
    /// versions may repeat a width and change what stood there.</summary>
    bool IsAppendOnly => false;

    /// <summary>Yields successive versions of the token grid; the last is the sample.</summary>
    /// <param name="prompt">(B, L) int64, shorter rows padded on the left with -1; not disposed.</param>
    /// <param name="length">Columns to add after the prompt, at least 0.</param>
    /// <param name="random">Source of randomness; null draws a fresh seed.</param>
    /// <returns>Grids (B, L') int64, each disposed by the consumer; -1 marks padding and columns after a row's end.</returns>
    IEnumerable<Tensor> Sample(Tensor prompt, long length, Generator? random = null);
}
