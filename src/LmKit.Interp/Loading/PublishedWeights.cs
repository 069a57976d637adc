using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Tensors of a published file, taken one by one under their own names.</summary>
internal sealed class PublishedWeights(string path, Dictionary<string, Tensor> tensors)
{
    private readonly HashSet<string> taken = [];

    internal bool Has(string name) => tensors.ContainsKey(name);

    internal Tensor Take(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (tensors.TryGetValue(name, out var tensor))
            {
                taken.Add(name);
                return tensor;
            }
        }
        throw new CheckpointMismatchException(path, [string.Join(" or ", names.ToArray())], [], [], []);
    }

    internal Tensor Transposed(params ReadOnlySpan<string> names) => Take(names) is { } tensor && tensor.dim() == 2
        ? tensor.t()
        : throw new InvalidDataException($"{path}: {names[0]} is no matrix.");

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

    /// <summary>Refuses tensors that nobody took: a dictionary without them would compute something else.</summary>
    /// <param name="harmless">Names, or beginnings of names that end in a dot, of statistics that no output depends on.</param>
    /// <exception cref="CheckpointMismatchException">There are such tensors; names them.</exception>
    internal void CheckAllTaken(params string[] harmless)
    {
        string[] others = [.. tensors.Keys.Where(name => !taken.Contains(name) && !harmless.Any(known => known == name || (known.EndsWith('.') && name.StartsWith(known, StringComparison.Ordinal))))];
        if (others.Length > 0)
            throw new CheckpointMismatchException(path, [], others, [], []);
    }
}
