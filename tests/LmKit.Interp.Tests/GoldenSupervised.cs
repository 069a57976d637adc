using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

internal static class GoldenSupervised
{
    private static readonly Dictionary<string, string> methods = new()
    {
        ["mean"] = "mean",
        ["mse"] = "mse_minnorm",
    };

    internal static void Check(GoldenCase golden)
    {
        var activations = golden.Tensor("A");
        string[] columns = [.. golden.Names("attr.").Select(name => name["attr.".Length..])];
        var attributes = stack([.. columns.Select(name => golden.Tensor($"attr.{name}"))], 1);
        // "coupled.mean.s+io_pos" holds a block of two attributes and has an axis for each, then the features' width.
        AttributeBlock Block(string tensor, string name) =>
            new(name, [.. name.Split('+').Select(part => (long)Array.IndexOf(columns, part))], golden.Tensor(tensor).shape[..^1]);
        var kinds = golden.Groups('.').Where(kind => golden.Has($"{kind}.mean.bias")).ToDictionary(kind => kind, kind => golden.Names($"{kind}.mean.")
            .Select(name => (Tensor: name, Name: name[$"{kind}.mean.".Length..])).Where(one => one.Name is not ("bias" or "recon" or "mse"))
            .Select(one => Block(one.Tensor, one.Name)).ToArray());
        foreach (var (kind, blocks) in kinds)
        {
            foreach (var (method, codes) in methods)
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
        CheckEdits(golden, independent, kinds["independent"], activations, attributes, columns);
        var weights = SupervisedEdit.Weights(independent, attributes);
        foreach (var (index, block) in kinds["independent"].Index())
            Parameters.Check(golden, $"weight.{block.Name}", weights.select(1, index));
    }

    private static void CheckEdits(GoldenCase golden, SupervisedDictionary dictionary, AttributeBlock[] blocks, Tensor activations, Tensor attributes, string[] columns)
    {
        var clean = golden.Tensor("edit.val");
        var count = clean.size(0);
        var given = attributes.narrow(0, 0, count);
        var wanted = stack([.. columns.Select((name, index) => golden.Has($"edit.new_{name}") ? golden.Tensor($"edit.new_{name}") : given.select(1, index))], 1);
        Close.Check("edit.val", activations.narrow(0, 0, count), clean, absolute: Parameters.Absolute);
        foreach (var name in golden.Names("edit.").Where(name => name.Count(letter => letter == '.') == 2))
        {
            // "edit.s+io_pos.arithmetic": which attributes, and how.
            var parts = name.Split('.');
            var method = parts[2] switch
            {
                "arithmetic" => EditMethod.Arithmetic,
                "zero_ablate_subspace" => EditMethod.ZeroSubspace,
                "mean_ablate_subspace" => EditMethod.OfficialMeanSubspace,
                _ => throw new ArgumentException($"{golden.Path} names the edit '{parts[2]}'; those computed are arithmetic, zero_ablate_subspace and mean_ablate_subspace."),
            };
            int[] edited = [.. parts[1].Split('+').Select(part => Array.FindIndex(blocks, block => block.Name == part))];
            Parameters.Check(golden, name, SupervisedEdit.Apply(dictionary, clean, given, wanted, edited, method));
        }
    }
}
