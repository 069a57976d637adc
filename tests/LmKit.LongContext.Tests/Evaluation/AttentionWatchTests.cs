using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>The scores that a diagnosis reads are those that attention takes its softmax of.</summary>
[NoTensorLeak]
public class AttentionWatchTests
{
    private const long Length = 40;
    private const long Window = 9;
    private const long Starts = 3;

    public static TheoryData<string, string, double?> Cases
    {
        get
        {
            var data = new TheoryData<string, string, double?>();
            foreach (var mask in new[] { "causal", "lambda", "ceiling", "window", "half" })
            {
                foreach (var positions in new[] { "none", "rotary", "interleaved", "alibi" })
                {
                    data.Add(mask, positions, null);
                    data.Add(mask, positions, 0.7);
                }
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Softmax_of_the_scores_gives_the_weights_of_the_attention(string mask, string positions, double? softCap)
    {
        using var scope = NewDisposeScope();
        var (q, k) = (Inputs.Random(1, 2, 4, Length, Length), Inputs.Random(2, 2, 2, Length, Length));
        // Values that are unit vectors make the outputs the weights.
        var values = eye(Length, dtype: ScalarType.Float64).expand(2, 2, Length, Length);
        var own = Mask(mask);
        var input = Inputs.Uniform(q, k, values, Encoding(positions)) with { SoftCap = softCap };
        var expected = (own as IMaskedAttention)?.Attend(input) ?? DenseAttention.Attend(input, own);

        var logits = cat([TrueLogits.Of(input, own, 0, 11), TrueLogits.Of(input, own, 11, Length - 11)], 2);
        Close.Check("weights", expected, logits.softmax(-1), absolute: 1e-9, relativeToLargest: 0);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100)]
    public void The_largest_score_of_a_model_is_the_one_among_all_heads_queries_and_keys(int chunk)
    {
        const double Scale = 0.9;
        const double Cap = 1.5;
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder().AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount, attention.Scale, attention.SoftCap) = (2, 1, Scale, Cap)).AddRotary()
            .AddLambdaMask(lambda => (lambda.LocalLength, lambda.GlobalLength) = (Window, Starts)).Build();
        var text = Enumerable.Range(0, (int)Length + 1).Select(place => place * 5 % 7).ToArray();
        IReadOnlyList<AttentionFigures> figures;
        using (var watch = new AttentionWatch(model, [16], Starts))
        {
            LengthReader.Read(model, [text], new LengthReaderOptions { ChunkLength = chunk, Edges = [16] });
            figures = watch.Figures;
        }

        for (var layer = 0; layer < 2; layer++)
        {
            var (queries, keys) = Hooked(model, layer, text);
            foreach (var (from, to, one) in new[] { (0, 16, figures[2 * layer]), (16, (int)Length, figures[2 * layer + 1]) })
            {
                var rows = Enumerable.Range(from, to - from).SelectMany(i => Enumerable.Range(0, 2).Select(head => Row(queries, keys, head, i))).ToArray();
                Assert.Equal((layer, from, rows.Length), (one.Layer, (int)one.From, (int)one.RowCount));
                Assert.Equal(rows.Max(row => row.Max(cell => cell.Score)), one.LargestLogit, 1e-9);
                Assert.Equal(rows.Max(row => row.Max(cell => Math.Abs(cell.Score))), one.LargestMagnitude, 1e-9);
                Assert.Equal(rows.Average(row => row.Length), one.KeyCount, 1e-9);
                Assert.Equal(rows.Average(row => -Weights(row).Sum(weight => weight * Math.Log(weight))), one.MeanEntropy, 1e-9);
                Assert.Equal(rows.Average(row => Weights(row).Zip(row).Where(pair => pair.Second.Key < Starts).Sum(pair => pair.First)), one.StartMass, 1e-9);
                Assert.Equal(rows.Min(row => -Weights(row).Sum(weight => weight * Math.Log(weight)) - Math.Log(row.Length) + 2 * row.Max(cell => Math.Abs(cell.Score))), one.LeastSlack, 1e-9);
                Assert.True(one.KeepsEntropyLaw);
            }
        }

        double[] Weights((int Key, double Score)[] row)
        {
            var sum = row.Sum(cell => Math.Exp(cell.Score));
            return [.. row.Select(cell => Math.Exp(cell.Score) / sum)];
        }

        // By the paper's formulas, on numbers: rotary of half pairs, base 10,000.
        (int Key, double Score)[] Row(double[,,] queries, double[,,] keys, int head, int i)
        {
            var width = queries.GetLength(2);
            var cells = new List<(int, double)>();
            for (var j = 0; j <= i; j++)
            {
                if (i - j >= Window && j >= Starts)
                    continue;
                var distance = i - j >= Window ? Window : i - j;
                double sum = 0;
                for (var t = 0; t < width / 2; t++)
                {
                    var angle = distance * Math.Pow(10_000, -2.0 * t / width);
                    var (a, b) = (queries[i, head, t], queries[i, head, t + width / 2]);
                    sum += (a * Math.Cos(angle) - b * Math.Sin(angle)) * keys[j, 0, t] + (b * Math.Cos(angle) + a * Math.Sin(angle)) * keys[j, 0, t + width / 2];
                }
                cells.Add((j, Cap * Math.Tanh(Scale * sum / Cap)));
            }
            return [.. cells];
        }
    }

    [Fact]
    public void A_token_at_a_time_over_a_cache_is_read_too()
    {
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder(dtype: ScalarType.Float32).AddAttention(attention => attention.HeadCount = 2).AddRotary().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (Window, Starts)).Build();
        var text = Enumerable.Range(0, (int)Length).Select(place => place * 5 % 7).ToArray();
        var (steps, whole) = (Figures(1), Figures(1_000));

        Assert.Equal(2 * (Length - 1), steps.RowCount);
        Assert.Equal(whole.KeyCount, steps.KeyCount, 1e-9);
        Assert.Equal(whole.LargestLogit, steps.LargestLogit, 1e-4);
        Assert.Equal(whole.MeanEntropy, steps.MeanEntropy, 1e-4);

        AttentionFigures Figures(int chunk)
        {
            using var watch = new AttentionWatch(model, [], Starts);
            LengthReader.Read(model, [text], new LengthReaderOptions { ChunkLength = chunk });
            return watch.Figures[0];
        }
    }

    [Fact]
    public void Watching_changes_no_loss_and_ends()
    {
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddRotary().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (Window, Starts)).Build();
        var text = Enumerable.Range(0, (int)Length).Select(place => place * 5 % 7).ToArray();
        var plain = LengthReader.Read(model, [text], new LengthReaderOptions { ChunkLength = 8 });
        long rows;
        using (var watch = new AttentionWatch(model, [], Starts))
        {
            Assert.Equal(2, watch.Count);
            Assert.Equal(plain.Loss.Value, LengthReader.Read(model, [text], new LengthReaderOptions { ChunkLength = 8 }).Loss.Value);
            rows = watch.Figures[0].RowCount;
            watch.Dispose();
            LengthReader.Read(model, [text]);
            Assert.Equal(rows, watch.Figures[0].RowCount);
        }
        Assert.Equal(2 * (Length - 1), rows);
    }

    [Fact]
    public void The_entropy_bound_is_met_exactly_by_even_weights_and_broken_by_scores_that_are_not_theirs()
    {
        using var scope = NewDisposeScope();
        var isStart = zeros([1, 1, 1, 32], ScalarType.Bool);

        var even = AttentionRows.Read(zeros(1, 1, 1, 32, dtype: ScalarType.Float64), isStart, null)!.Value;
        Assert.Equal(0, even.LeastSlack, 1e-12);
        Assert.Equal(Math.Log(32), even.Entropy, 1e-12);

        foreach (var bound in new[] { 0.1, 1, 5, 50 })
        {
            var clipped = AttentionRows.Read((Inputs.Random(3, 2, 3, 50, 32) * 2 * bound).clamp(-bound, bound), isStart, null)!.Value;
            Assert.InRange(clipped.LeastSlack, 0, 2 * bound);
            Assert.InRange(clipped.LargestMagnitude, 0, bound);
        }

        // Keys that are in the softmax and not in the count: the entropy of 32 with the bound of more.
        var figures = new AttentionFigures(0, 0, null, 0, 0, Math.Log(32), Math.Log(32) - Math.Log(33), 0, 33, 1);
        Assert.False(figures.KeepsEntropyLaw);
        Assert.True((figures with { LeastSlack = 0 }).KeepsEntropyLaw);
    }

    [Fact]
    public void A_sink_joins_the_softmax_and_is_no_key()
    {
        using var scope = NewDisposeScope();
        var rows = AttentionRows.Read(zeros(1, 2, 1, 3, dtype: ScalarType.Float64), ones([1, 1, 1, 3], ScalarType.Bool), tensor(new[] { 0.0, Math.Log(3) }))!.Value;

        Assert.Equal(6, rows.Keys);
        Assert.Equal(0.75 + 0.5, rows.StartMass, 1e-12);
        Assert.Equal(Math.Log(3), rows.LargestLogit, 1e-12);
        Assert.Equal(Math.Log(4) + (0.5 * Math.Log(2) + 0.5 * Math.Log(6)), rows.Entropy, 1e-12);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_score_that_is_not_finite_is_refused(double score)
    {
        using var scope = NewDisposeScope();
        var logits = tensor(new[] { 0.0, score, double.NegativeInfinity }).view(1, 1, 1, 3);

        Assert.Contains("not finite", Assert.Throws<InvalidOperationException>(() => AttentionRows.Read(logits, zeros([1, 1, 1, 3], ScalarType.Bool), null)).Message, StringComparison.Ordinal);
    }

    private static (double[,,] Queries, double[,,] Keys) Hooked(LanguageModel model, int layer, int[] text)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var seen = new double[2][,,];
        using (model.HookPoints[$"layers.{layer}.mixer.q"].Attach(x => Numbers(x, 0)))
        using (model.HookPoints[$"layers.{layer}.mixer.k"].Attach(x => Numbers(x, 1)))
            model.Hidden(tensor(text[..^1].Select(token => (long)token).ToArray()).unsqueeze(0)).Dispose();
        return (seen[0], seen[1]);

        Tensor Numbers(Tensor x, int place)
        {
            seen[place] = new double[x.size(1), x.size(2), x.size(3)];
            Buffer.BlockCopy(x.contiguous().data<double>().ToArray(), 0, seen[place], 0, (int)x.numel() * sizeof(double));
            return x;
        }
    }

    private static IAttentionMask Mask(string name) => name switch
    {
        "causal" => new CausalMask(),
        "lambda" => new LambdaMask(new LambdaMaskOptions { LocalLength = Window, GlobalLength = Starts }),
        "ceiling" => new LambdaMask(new LambdaMaskOptions { LocalLength = Window, GlobalLength = Starts, DistanceCeiling = 5 }),
        "window" => new SlidingWindowMask(new SlidingWindowOptions { Window = Window }),
        _ => new CeilingMask(new CeilingMaskOptions { DistanceCeiling = Window }),
    };

    private static PositionEncoding? Encoding(string name) => name switch
    {
        "rotary" => new RotaryEmbedding(Length),
        "interleaved" => new RotaryEmbedding(4, 10_000, true),
        "alibi" => new AlibiEncoding(4),
        _ => null,
    };
}
