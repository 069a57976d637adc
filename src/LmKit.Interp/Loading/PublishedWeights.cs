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

    internal double Scalar(string name) => Take(name).to(ScalarType.Float64).item<double>();
}
