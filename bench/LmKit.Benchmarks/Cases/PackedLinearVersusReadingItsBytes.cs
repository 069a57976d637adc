using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>All linears that one token passes in a 12-layer model of width 768, against reading as many bytes as their packed weights
/// hold: how near the products come to the memory's speed.</summary>
/// <remarks>Reading computes nothing: only the shape of the results is compared, which is one number on both sides. As many
/// threads read as multiply.</remarks>
internal static class PackedLinearVersusReadingItsBytes
{
    private const int layers = 12;
    private const long width = 768;

    internal static IReadOnlyList<RatioCase> Cases { get; } = [Case(WeightFormat.Full), Case(WeightFormat.BFloat16)];

    private static RatioCase Case(WeightFormat format) =>
        new($"Packed linears vs reading their bytes: {layers} layers of width {width}, {format}", 0.9, 0.9, random => Prepare(random, format)) { IsSameComputation = false };

    private static RatioSides Prepare(Generator random, WeightFormat format)
    {
        var parameters = new ParameterFactory(random);
        (long In, long Out)[] sites = [(width, width), (width, width), (width, width), (width, width), (width, 4 * width), (4 * width, width)];
        var linears = Enumerable.Range(0, layers).SelectMany(layer => sites.Select(site =>
        {
            var linear = new PackedLinear(new PackedLinearOptions { Format = format }, new LinearSite("fc", layer, site.In, site.Out, false, 0.04, parameters));
            linear.eval();
            return linear;
        })).ToArray();
        var bytes = format == WeightFormat.Full ? sizeof(float) : sizeof(ushort);
        // Ones: zeros might be memory that the system has not given yet.
        var memory = linears.Select(linear => ones([linear.InFeatures * linear.OutFeatures * bytes], ScalarType.Byte)).ToArray();
        var sums = new float[memory.Length];
        var inputs = new[] { randn(1, width, generator: random), randn(1, 4 * width, generator: random) };
        return new RatioSides(Read, Multiply, [.. linears, .. memory, .. inputs]);

        Tensor[] Read()
        {
            WorkerPool.Shared.Run(memory.Length, block => sums[block] = Sum(memory[block].bytes));
            return [tensor(sums.Sum())];
        }

        Tensor[] Multiply()
        {
            using var frozen = no_grad();
            foreach (var linear in linears)
                linear.call(inputs[linear.InFeatures == width ? 0 : 1]).Dispose();

            return [tensor(0f)];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(ReadOnlySpan<byte> memory)
    {
        var vectors = MemoryMarshal.Cast<byte, Vector<float>>(memory);
        Vector<float> a = default, b = default, c = default, d = default;
        for (var at = 0; at + 4 <= vectors.Length; at += 4)
        {
            a += vectors[at];
            b += vectors[at + 1];
            c += vectors[at + 2];
            d += vectors[at + 3];
        }

        return Vector.Sum(a + b + c + d);
    }
}
