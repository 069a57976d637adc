using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Attention under a Lambda mask against libtorch's attention with the mask as a matrix, and one decoded token against
/// attention over everything.</summary>
internal static class LambdaAttentionVersusMaskedSdpa
{
    private const long Window = 512;
    private const long Starts = 10;

    public static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Prefill(4096, hasRotary: false, target: 3.8),
        Prefill(8192, hasRotary: false, target: 7.1),
        Prefill(4096, hasRotary: true, target: 3.8),
        Decode(16384, target: 10),
    ];

    private static RatioCase Prefill(long length, bool hasRotary, double target) =>
        new($"Lambda attention vs masked sdpa: {length} tokens, L {Window}, G {Starts}{(hasRotary ? ", rotary" : "")}", target, target, random =>
        {
            var input = Make(random, length, length, hasRotary ? new RotaryEmbedding(64) : null);
            var mask = Mask();
            var visible = mask.Visible(input.QueryPositions[0], input.KeyPositions[0])!;
            return Sides(
                () => [input.Encoding is null
                    ? nn.functional.scaled_dot_product_attention(input.Queries, input.Keys, input.Values, visible)
                    : DenseAttention.Attend(input, mask)],
                () => [mask.Attend(input)!],
                input,
                visible);
        });

    private static RatioCase Decode(long length, double target) =>
        new($"Lambda attention vs masked sdpa: one token after {length}, L {Window}, G {Starts}", target, target, random =>
        {
            var full = Make(random, 1, length, null);
            var mask = Mask();
            var visible = mask.Visible(full.QueryPositions[0], full.KeyPositions[0])!;
            var kept = visible[0].nonzero().squeeze(-1);
            var trimmed = full with
            {
                Keys = full.Keys.index_select(2, kept),
                Values = full.Values.index_select(2, kept),
                KeyPositions = full.KeyPositions.index_select(1, kept),
            };
            return Sides(
                () => [nn.functional.scaled_dot_product_attention(full.Queries, full.Keys, full.Values, visible)],
                () => [mask.Attend(trimmed)!],
                full,
                visible, trimmed.Keys, trimmed.Values, trimmed.KeyPositions);
        });

    private static LambdaMask Mask() => new(new LambdaMaskOptions { LocalLength = Window, GlobalLength = Starts });

    private static AttentionInput Make(Generator random, long queries, long keys, PositionEncoding? encoding)
    {
        Tensor Draw(long length) => randn([1, 4, length, 64], generator: random);
        var positions = arange(keys, dtype: ScalarType.Int64).unsqueeze(0);
        return new AttentionInput(Draw(queries), Draw(keys), Draw(keys), positions.narrow(1, keys - queries, queries), positions, null, null, encoding);
    }

    private static RatioSides Sides(Func<Tensor[]> baseline, Func<Tensor[]> ours, AttentionInput input, params IDisposable[] owned) =>
        new(Frozen(baseline), Frozen(ours), [input.Queries, input.Keys, input.Values, input.QueryPositions, input.KeyPositions, .. owned]);

    private static Func<Tensor[]> Frozen(Func<Tensor[]> side) => () =>
    {
        using var frozen = no_grad();
        return side();
    };
}
