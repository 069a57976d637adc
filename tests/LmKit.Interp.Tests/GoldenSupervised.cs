using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

internal static class GoldenSupervised
{
    private static readonly Dictionary<string, string> _methods = new()
    {
        ["mean"] = "mean",
        ["mse"] = "mse_minnorm",
    };

    internal static void Check(GoldenCase golden)
    {
        var activations = golden.Tensor("A");
        var (io, s, position) = (golden.Tensor("attr.io"), golden.Tensor("attr.s"), golden.Tensor("attr.io_pos"));
        var attributes = stack([io, s, position], 1);
        long Values(string name, int axis) => golden.Tensor(name).size(axis);
        var (names, others) = (Values("independent.mean.io", 0), Values("independent.mean.s", 0));
        var kinds = new Dictionary<string, AttributeBlock[]>
        {
            ["independent"] = [new("io", [0], [names]), new("s", [1], [others]), new("io_pos", [2], [2])],
            ["coupled"] = [new("io+io_pos", [0, 2], [names, 2]), new("s+io_pos", [1, 2], [others, 2])],
        };
        foreach (var (kind, blocks) in kinds)
        {
            foreach (var (method, codes) in _methods)
            {
                using var dictionary = SupervisedDictionary.Fit(activations, attributes, blocks, method == "mean" ? SupervisedMethod.Mean : SupervisedMethod.LeastSquares);
                var rebuilt = dictionary.Decode(dictionary.Encode(new ActivationBatch(activations, attributes)));
                Parameters.Check(golden, $"{kind}.{method}.recon", rebuilt);
                Parameters.Check(golden, $"{kind}.{method}.mse", SquaredError.RowMean(rebuilt - activations));
                Parameters.Check(golden, $"{kind}.{codes}.bias", dictionary.Bias);
                var start = 0L;
                foreach (var block in blocks)
                {
                    Parameters.Check(golden, $"{kind}.{codes}.{block.Name}", dictionary.Atoms.narrow(0, start, block.FeatureCount));
                    start += block.FeatureCount;
                }
            }
        }
        using var independent = SupervisedDictionary.Fit(activations, attributes, kinds["independent"], SupervisedMethod.Mean);
        CheckEdits(golden, independent, activations, attributes);
        var weights = SupervisedEdit.Weights(independent, attributes);
        foreach (var (index, name) in new[] { "io", "s", "io_pos" }.Index())
            Parameters.Check(golden, $"weight.{name}", weights.select(1, index));
    }

    private static void CheckEdits(GoldenCase golden, SupervisedDictionary dictionary, Tensor activations, Tensor attributes)
    {
        var count = golden.Tensor("edit.val").size(0);
        var wanted = stack([golden.Tensor("edit.new_io"), golden.Tensor("edit.new_s"), golden.Tensor("edit.new_io_pos")], 1);
        var clean = golden.Tensor("edit.val");
        Close.Check("edit.val", activations.narrow(0, 0, count), clean, absolute: Parameters.Absolute);
        foreach (var (name, blocks) in new[] { ("io", new[] { 0 }), ("s+io_pos", [1, 2]) })
        {
            foreach (var (published, method) in new[] { ("arithmetic", EditMethod.Arithmetic), ("zero_ablate_subspace", EditMethod.ZeroSubspace), ("mean_ablate_subspace", EditMethod.OfficialMeanSubspace) })
                Parameters.Check(golden, $"edit.{name}.{published}", SupervisedEdit.Apply(dictionary, clean, attributes.narrow(0, 0, count), wanted, blocks, method));
        }
    }
}
