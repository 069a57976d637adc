namespace LmKit;

/// <summary>What a configuration may ask for when the weights that will fill it are known: told before anything is allocated.</summary>
/// <remarks>Twice what the weights hold and a little more, so that a configuration which is only slightly wrong is built and compared
/// tensor by tensor; one that is far beyond is refused before it takes memory or time.</remarks>
/// <param name="source">The file of the weights, for errors.</param>
/// <param name="valueCount">Values that all its tensors hold.</param>
/// <param name="tensorCount">Its tensors.</param>
internal sealed class ParameterBudget(string source, long valueCount, long tensorCount)
{
    private const long MoreValues = 1 << 20;
    private const long MoreTensors = 256;

    private Int128 values;
    private long tensors;

    /// <summary>Takes a parameter of a shape into account.</summary>
    /// <exception cref="ConfigurationException">The configuration asks for far more than the weights hold.</exception>
    internal void Charge(long[] shape)
    {
        tensors++;
        if (shape.Any(size => size < 0))
            return; // whoever makes it says so
        var size = shape.Contains(0) ? 0 : shape.Aggregate((Int128)1, (product, axis) => product > long.MaxValue ? product : product * axis);
        values += size;
        if (values > (2 * (Int128)valueCount) + MoreValues)
            throw new ConfigurationException("$", $"it asks for a tensor ({string.Join(", ", shape)}), with which the model has at least {values} values; {source} holds {valueCount}. The two do not belong together");
        if (tensors > (2 * tensorCount) + MoreTensors)
            throw new ConfigurationException("$", $"it asks for more than {tensors - 1} tensors; {source} holds {tensorCount}. The two do not belong together");
    }
}
