using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Tensors of a published file, taken one by one under their own names.</summary>
internal sealed class PublishedWeights(string path, Dictionary<string, Tensor> tensors)
{
    internal bool Has(string name) => tensors.ContainsKey(name);

    internal Tensor Take(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (tensors.TryGetValue(name, out var tensor))
                return tensor;
        }
        throw new CheckpointMismatchException(path, [string.Join(" or ", names.ToArray())], [], [], []);
    }

    internal Tensor Transposed(params ReadOnlySpan<string> names) => Take(names).t();

    /// <summary>A number of features that stands in a tensor of one number.</summary>
    internal long Count(string name)
    {
        var tensor = Take(name);
        if (tensor.numel() != 1)
            throw new InvalidDataException($"{path}: '{name}' is ({string.Join(", ", tensor.shape)}); one number is needed.");
        var number = tensor.to(ScalarType.Float64).item<double>();
        return number is >= 1 and <= long.MaxValue / 2 && Math.Floor(number) == number
            ? (long)number
            : throw new InvalidDataException(FormattableString.Invariant($"{path}: '{name}' is {number}; a whole number of at least 1 is needed."));
    }
}
