using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

internal static class GoldenCheckpoints
{
    // Float32 weights; the golden README's figure.
    private const double Tolerance = 2e-5;

    internal static void Check(GoldenCase golden)
    {
        using var expected = golden.Inside("expected.safetensors");
        var x = expected.Tensor("x");
        var layouts = expected.Names().Where(name => name.EndsWith(".acts", StringComparison.Ordinal)).Select(name => name[..^".acts".Length]).ToArray();
        Assert.Equal(10, layouts.Length);
        var options = new AutoencoderLoadOptions { ActiveCount = long.Parse(expected.Metadata["k"], System.Globalization.CultureInfo.InvariantCulture) };
        foreach (var layout in layouts)
        {
            using var scope = NewDisposeScope();
            var path = golden.PathOf(layout == "sparsify" ? "sparsify/layers.1" : layout);
            using var loaded = AutoencoderFile.Load(path, options);
            Close.Check($"{layout}.acts", expected.Tensor($"{layout}.acts"), loaded.Autoencoder.Encode(x), absolute: Tolerance);
            Close.Check($"{layout}.out", expected.Tensor($"{layout}.out"), loaded.Autoencoder.Reconstruct(x), absolute: Tolerance);
            if (!expected.Has($"{layout}.acts_threshold"))
                continue;
            using var limited = AutoencoderFile.Load(path, new AutoencoderLoadOptions { UsesThreshold = true });
            Close.Check($"{layout}.acts_threshold", expected.Tensor($"{layout}.acts_threshold"), limited.Autoencoder.Encode(x), absolute: Tolerance);
        }
    }
}
