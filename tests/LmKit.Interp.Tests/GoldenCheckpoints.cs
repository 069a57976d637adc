using LmKit.Conformance;
using TorchSharp;
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
        var options = new AutoencoderLoadOptions { ActiveCount = expected.Options.Whole("k") };
        foreach (var layout in layouts)
        {
            using var scope = NewDisposeScope();
            var path = golden.PathOf(layout);
            if (Directory.GetFiles(path).Length == 0) // one folder for each layer, of which there is one
                path = Assert.Single(Directory.GetDirectories(path));
            using var loaded = AutoencoderFile.Load(path, options);
            Close.Check($"{layout}.acts", expected.Tensor($"{layout}.acts"), loaded.Autoencoder.Encode(x), absolute: Tolerance);
            Close.Check($"{layout}.out", expected.Tensor($"{layout}.out"), loaded.Autoencoder.Reconstruct(x), absolute: Tolerance);
            CheckFigures(expected, layout, x, loaded.Autoencoder);
            if (!expected.Has($"{layout}.acts_threshold"))
                continue;
            using var limited = AutoencoderFile.Load(path, new AutoencoderLoadOptions { UsesThreshold = true });
            Close.Check($"{layout}.acts_threshold", expected.Tensor($"{layout}.acts_threshold"), limited.Autoencoder.Encode(x), absolute: Tolerance);
        }
    }

    // The row statistics that a layout normalises by, and the figures that its authors report.
    private static void CheckFigures(GoldenCase expected, string layout, Tensor x, SparseAutoencoder autoencoder)
    {
        var (codes, rebuilt) = (autoencoder.Encode(x), autoencoder.Reconstruct(x));
        foreach (var (name, value) in new (string, Func<Tensor>)[]
        {
            ("mu", () => x.mean([1L], keepdim: true)),
            ("std", () => x.std(1, unbiased: true, keepdim: true)),
            ("nmse", () => ((rebuilt - x).square().mean([1L]) / x.square().mean([1L])).mean()),
            ("nl1", () => (codes.abs().sum(1) / x.norm(1)).mean()),
        })
        {
            if (expected.Has($"{layout}.{name}"))
                expected.Check($"{layout}.{name}", value().reshape(expected.Tensor($"{layout}.{name}").shape), absolute: Tolerance);
        }
    }
}
