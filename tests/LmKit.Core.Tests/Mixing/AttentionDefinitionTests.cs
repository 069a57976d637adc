using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What a layer of attention makes of its queries, keys and values, number by number, for every option of positions and heads.</summary>
[NoTensorLeak]
public sealed class AttentionDefinitionTests
{
    private const int Length = 11;

    public static TheoryData<string> Names => [.. Cases.Keys];

    private static Dictionary<string, Case> Cases => new()
    {
        ["none"] = new(2),
        ["rotary"] = new(2, "rotary"),
        ["rotary of another base"] = new(2, "rotary") { Rotary = { Base = 50 } },
        ["rotary in part"] = new(2, "rotary") { Rotary = { Dim = 2 } },
        ["rotary of neighbours"] = new(2, "rotary") { Rotary = { IsInterleaved = true } },
        ["alibi"] = new(4, "alibi"),
        ["shared heads"] = new(4, "rotary", KeyValueHeadCount: 2, HeadDim: 6),
        ["shared heads with biases"] = new(4, "alibi", KeyValueHeadCount: 1),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void A_layer_attends_as_its_options_say(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var options = Cases[name];
        using var model = ToyModel.Builder(1)
            .AddAttention(own => (own.HeadCount, own.KeyValueHeadCount, own.HeadDim) = (options.HeadCount, options.KeyValueHeadCount, options.HeadDim))
            .AddPositions(options.Positions, rotary => (rotary.Dim, rotary.Base, rotary.IsInterleaved) = (options.Rotary.Dim, options.Rotary.Base, options.Rotary.IsInterleaved))
            .Build();
        Stir(model);
        var seen = new Dictionary<string, double[,,]>();
        foreach (var part in new[] { "q", "k", "v", "z" })
        {
            _ = model.HookPoints[$"layers.0.mixer.{part}"].Attach(activation =>
            {
                seen[part] = Numbers(activation);
                return activation;
            });
        }
        model.call(LanguageModelTests.Tokens(1, Length), null).Dispose();

        var (expected, actual) = (Attended(options, seen["q"], seen["k"], seen["v"]), seen["z"]);
        Assert.Equal(expected.Length, actual.Length);
        Assert.Equal(options.KeyValueHeadCount == 0 ? options.HeadCount : options.KeyValueHeadCount, seen["k"].GetLength(1));
        for (var i = 0; i < Length; i++)
        {
            for (var head = 0; head < options.HeadCount; head++)
            {
                for (var d = 0; d < expected.GetLength(2); d++)
                    Assert.Equal(expected[i, head, d], actual[i, head, d], 1e-12);
            }
        }
    }

    private static double[,,] Attended(Case options, double[,,] q, double[,,] k, double[,,] v)
    {
        var (heads, width) = (options.HeadCount, q.GetLength(2));
        var sharing = heads / k.GetLength(1);
        var z = new double[Length, heads, width];
        for (var i = 0; i < Length; i++)
        {
            for (var head = 0; head < heads; head++)
            {
                var weights = new double[i + 1];
                for (var j = 0; j <= i; j++)
                {
                    var (turned, still) = (Turned(options, Row(q, i, head), i), Turned(options, Row(k, j, head / sharing), j));
                    var score = turned.Zip(still).Sum(pair => pair.First * pair.Second) / Math.Sqrt(width);
                    if (options.Positions == "alibi")
                        score -= (i - j) * Math.Pow(2, -8.0 * (head + 1) / heads);
                    weights[j] = Math.Exp(score);
                }
                for (var d = 0; d < width; d++)
                    z[i, head, d] = Enumerable.Range(0, i + 1).Sum(j => weights[j] * v[j, head / sharing, d]) / weights.Sum();
            }
        }
        return z;
    }

    private static double[] Turned(Case options, double[] x, int position)
    {
        if (options.Positions != "rotary")
            return x;
        var width = options.Rotary.Dim == 0 ? x.Length : (int)options.Rotary.Dim;
        double[] turned = [.. x];
        for (var pair = 0; pair < width / 2; pair++)
        {
            var (a, b) = options.Rotary.IsInterleaved ? (2 * pair, 2 * pair + 1) : (pair, pair + width / 2);
            var (sin, cos) = Math.SinCos(position * Math.Pow(options.Rotary.Base, -2.0 * pair / width));
            (turned[a], turned[b]) = (x[a] * cos - x[b] * sin, x[a] * sin + x[b] * cos);
        }
        return turned;
    }

    private static double[] Row(double[,,] values, int i, int head) => [.. Enumerable.Range(0, values.GetLength(2)).Select(d => values[i, head, d])];

    // Of (1, L, H, P).
    private static double[,,] Numbers(Tensor activation)
    {
        using var plain = activation.detach().contiguous();
        var numbers = new double[plain.size(1), plain.size(2), plain.size(3)];
        Buffer.BlockCopy(plain.data<double>().ToArray(), 0, numbers, 0, numbers.Length * sizeof(double));
        return numbers;
    }

    // Small first weights would make all scores alike.
    private static void Stir(LanguageModel model)
    {
        using var random = new Generator(2);
        foreach (var parameter in model.parameters())
        {
            using var noise = randn(parameter.shape, ScalarType.Float64, generator: random);
            parameter.add_(noise.mul_(0.3));
        }
    }

    private sealed record Case(int HeadCount, string Positions = "none", int KeyValueHeadCount = 0, long HeadDim = 0)
    {
        internal RotaryOptions Rotary { get; } = new();
    }
}
