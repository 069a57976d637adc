using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

[GoldenArea("longcontext")]
public class GoldenTests(ITestOutputHelper output) : GoldenSuite(output)
{
    // From the vectors' index; a chunked run may differ from the whole by rounding only.
    private const double DoubleTolerance = 1e-10;
    private const double SingleTolerance = 2e-5;
    private const double SingleGradientTolerance = 1e-3;

    private static readonly ScalarType[] dtypes = [ScalarType.Float64, ScalarType.Float32];

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>
    {
        ["masks"] = Masks,
        ["rope_llama"] = Rotary,
        ["rope_gqa"] = Rotary,
        ["rope_padding"] = Rotary,
        ["rope_grad"] = Rotary,
        ["gptj_partial_rope"] = Rotary,
        ["alibi_mpt"] = Alibi,
        ["ablations"] = GoldenVariants.Ablations,
        ["streaming_llm"] = GoldenVariants.Streaming,
        ["topk_middle"] = GoldenVariants.Middle,
        ["tiny_llama"] = GoldenVariants.Llama,
    };

    private static void Masks(GoldenCase golden)
    {
        const long unseen = 1000; // a ceiling that no true distance of these sizes reaches
        foreach (var name in golden.Names("keep_"))
        {
            var sizes = name.Split('_')[1..].ToDictionary(part => part[0], part => long.Parse(part[1..], CultureInfo.InvariantCulture));
            var mask = new LambdaMask(new LambdaMaskOptions { LocalLength = sizes['L'], GlobalLength = sizes['G'], DistanceCeiling = unseen });
            var keep = golden.Tensor(name);
            var ceiling = golden.Tensor(name.Replace("keep_", "ceiling_", StringComparison.Ordinal));
            var positions = arange(sizes['T'], dtype: ScalarType.Int64);
            var distances = positions.unsqueeze(-1) - positions;
            var expected = distances.masked_fill(ceiling, unseen).masked_fill(keep.logical_not(), -1).to(ScalarType.Float64);

            Close.Check(name, keep.to(ScalarType.Int64), mask.Visible(positions, positions)!.to(ScalarType.Int64));
            foreach (var (form, seen) in ShownDistance.Read(mask, sizes['T']))
                Close.Check($"{name}, {form}", expected, seen, absolute: 1e-8);
        }
    }

    private static void Rotary(GoldenCase golden)
    {
        CheckStated(golden);
        foreach (var dtype in dtypes)
        {
            using var attention = Build(golden, dtype);
            foreach (var name in golden.Names("x"))
            {
                var suffix = name[1..]; // "_T41" or nothing
                var x = golden.Tensor(name).to(dtype);
                if (golden.Has($"out{suffix}"))
                    Streamed(golden, attention, x, $"out{suffix}");
                if (golden.Has($"decode{suffix}"))
                    Streamed(golden, attention, x, $"decode{suffix}");
                foreach (var side in golden.Names("mask_"))
                    Padded(golden, attention, x, side);
                if (golden.Has("cotangent"))
                    Gradients(golden, attention, x);
                if (golden.Has($"decode{suffix}"))
                    Cache(golden, attention, x);
            }
        }
    }

    // The sizes and lengths that a file states are those of its tensors.
    private static void CheckStated(GoldenCase golden)
    {
        string[] inputs = [.. golden.Names("x")];
        Assert.True(inputs.Length > 0, $"{golden.Path} has no inputs; they are named x or x_T and a length.");
        var x = golden.Tensor(inputs[0]);
        golden.Options.Agrees("B", x.size(0));
        golden.Options.Agrees("E", x.size(2));
        if (!golden.Options.Has("lengths"))
            return;
        var lengths = golden.Names("mask_").Count > 0
            ? golden.Tensor(golden.Names("mask_")[0]).to(ScalarType.Int64).sum(1).data<long>().ToArray()
            : [.. inputs.Select(name => golden.Tensor(name).size(1))];
        Assert.Equal(golden.Options.Numbers("lengths").Select(length => (long)length).Order(), lengths.Order());
    }

    private static void Streamed(GoldenCase golden, Attention attention, Tensor x, string expected)
    {
        using var frozen = no_grad();
        var window = Number(golden, "L_local");
        Check(golden, expected, attention.call(x));
        foreach (var chunk in new[] { 1, 2, 3, 7, window, window + 1, 2 * window + 1 })
        {
            using var state = attention.NewState(x.size(0));
            Check(golden, expected, cat([.. x.split(chunk, 1).Select(piece => attention.call(piece, new SequenceContext(state)))], 1));
        }
    }

    private static void Padded(GoldenCase golden, Attention attention, Tensor x, string mask)
    {
        using var frozen = no_grad();
        var real = golden.Tensor(mask);
        var segments = real.logical_not().to(ScalarType.Int64).neg(); // 0 or -1
        var expected = mask.Replace("mask_", "out_", StringComparison.Ordinal);
        var columns = real.unsqueeze(-1);
        Compare(attention.call(x, new SequenceContext(null, segments)));
        using var state = attention.NewState(x.size(0));
        Compare(cat([.. x.split(4, 1).Zip(segments.split(4, 1)).Select(piece => attention.call(piece.First, new SequenceContext(state, piece.Second)))], 1));

        void Compare(Tensor y) => Close.Check(expected, golden.Tensor(expected) * columns, y.to(ScalarType.Float64) * columns, absolute: Tolerance(y.dtype));
    }

    private static void Gradients(GoldenCase golden, Attention attention, Tensor x)
    {
        var input = x.requires_grad_();
        attention.call(input).backward([golden.Tensor("cotangent").to(x.dtype)]);

        var tolerance = x.dtype == ScalarType.Float64 ? DoubleTolerance : SingleGradientTolerance;
        Close.Check("grad_x", golden.Tensor("grad_x"), input.grad!.to(ScalarType.Float64), absolute: tolerance);
        foreach (var (name, parameter) in attention.named_parameters())
            Close.Check(name, golden.Tensor($"grad_{Published(golden, name)}"), parameter.grad!.to(ScalarType.Float64), absolute: tolerance);
    }

    // The published cache holds the last L tokens; ours may have let go of the one that no later query sees.
    private static void Cache(GoldenCase golden, Attention attention, Tensor x)
    {
        if (!golden.Has("cache_k_unrotated_after_all"))
            return;
        using var frozen = no_grad();
        using var state = attention.NewState(x.size(0));
        foreach (var piece in x.split(1, 1))
            _ = attention.call(piece, new SequenceContext(state));
        var (starts, window, length) = (Number(golden, "n_global"), Number(golden, "L_local"), x.size(1));
        var held = state.Tensors["positions"][0].data<long>().ToArray();
        var rotary = new RotaryEmbedding(golden.Tensor("cache_k_unrotated_after_all").size(3), golden.Options.Number("base"));
        foreach (var (ours, theirs) in new[] { ("turned_keys", "cache_k_unrotated_after_all"), ("values", "cache_v_after_all") })
        {
            for (var slot = 0L; slot < starts + window; slot++)
            {
                var position = slot < starts ? slot : length - window + slot - starts;
                var index = Array.IndexOf(held, position);
                Assert.True(index >= 0 || position == length - window, $"The cache lost position {position}, which the next query sees.");
                var expected = golden.Tensor(theirs).narrow(2, slot, 1);
                if (ours == "turned_keys")
                    expected = rotary.EncodeKeys(expected, full(1, 1, position, ScalarType.Int64));
                if (index >= 0)
                    Close.Check($"{ours} at {position}", expected.squeeze(2), state.Tensors[ours].select(2, index).to(ScalarType.Float64), absolute: Tolerance(x.dtype));
            }
        }
    }

    private static void Alibi(GoldenCase golden)
    {
        var heads = Number(golden, "H");
        golden.Options.Agrees("alibi_bias_max", 8); // the exponent of the last slope
        golden.Options.Describe("official_lengths", "reference_lengths"); // which of the two computed each length
        var encoding = new AlibiEncoding(heads);
        Close.Check("slopes", golden.Tensor("slopes"), tensor(encoding.Slopes.ToArray()), absolute: 1e-15);
        var mask = new LambdaMask(Options(golden));
        golden.Options.Agrees("E", golden.Tensor(golden.Names("q_")[0]).size(2));
        foreach (var dtype in dtypes)
        {
            foreach (var name in golden.Names("q_"))
            {
                var suffix = name[1..];
                Tensor Heads(string part) => golden.Tensor($"{part}{suffix}").to(dtype).unflatten(2, heads, -1).transpose(1, 2);
                var (q, k, v) = (Heads("q"), Heads("k"), Heads("v"));
                Tensor Call(long start, long count)
                {
                    var y = mask.Attend(Inputs.Uniform(q.narrow(2, start, count), k.narrow(2, 0, start + count), v.narrow(2, 0, start + count), encoding))!;
                    return y.transpose(1, 2).flatten(2);
                }

                Check(golden, $"out{suffix}", Call(0, q.size(2)));
                Check(golden, $"out{suffix}", cat([.. Enumerable.Range(0, (int)q.size(2)).Select(t => Call(t, 1))], 1));
            }
        }
    }

    /// <summary>The attention of a file, under its own mask or what another one adds.</summary>
    internal static Attention Build(GoldenCase golden, ScalarType dtype, Action<LanguageModelBuilder>? other = null)
    {
        var builder = new LanguageModelBuilder { VocabSize = 1, ModelDim = Number(golden, "E"), LayerCount = 1, Dtype = dtype };
        if (other is null)
        {
            var given = Options(golden);
            builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (given.LocalLength, given.GlobalLength, given.DistanceCeiling));
        }
        other?.Invoke(builder);
        builder.AddRotary(rotary =>
        {
            rotary.Base = golden.Options.Number("base");
            rotary.Dim = golden.Options.Whole("rotary_dim", 0);
            rotary.IsInterleaved = golden.Kind == "gptj_partial_rope";
        });
        var options = new AttentionOptions
        {
            HeadCount = Number(golden, "H"),
            KeyValueHeadCount = (int)golden.Options.Whole("KV", 0),
            HasBias = false,
        };
        var attention = new Attention(options, builder.CreateLayerContext(0, new Generator(1)));
        using var frozen = no_grad();
        foreach (var (name, parameter) in attention.named_parameters())
            parameter.copy_(golden.Tensor(Published(golden, name)));
        return attention;
    }

    private static string Published(GoldenCase golden, string name) =>
        golden.Has(name) ? name : name.Replace("out_proj", "o_proj", StringComparison.Ordinal);

    private static LambdaMaskOptions Options(GoldenCase golden) => new()
    {
        LocalLength = Number(golden, "L_local"),
        GlobalLength = Number(golden, "n_global"),
        DistanceCeiling = Number(golden, "limit"),
    };

    internal static int Number(GoldenCase golden, string key) => (int)golden.Options.Whole(key);

    private static double Tolerance(ScalarType dtype) => dtype == ScalarType.Float64 ? DoubleTolerance : SingleTolerance;

    private static void Check(GoldenCase golden, string name, Tensor actual) =>
        Close.Check(name, golden.Tensor(name), actual.to(ScalarType.Float64), absolute: Tolerance(actual.dtype));
}
