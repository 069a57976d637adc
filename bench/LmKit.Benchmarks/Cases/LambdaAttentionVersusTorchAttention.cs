using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Attention under a Lambda mask over a whole sequence, against what else serves long sequences: causal attention over
/// everything, tiles of the band by hand, the published blocks, and the mask as a matrix.</summary>
/// <remarks>Causal attention computes another result, and so do the tiles with rotary, which show starting tokens at their true
/// distance instead of at most L: there only shapes are compared. The baselines' tables of turns and masks are made once.</remarks>
internal static class LambdaAttentionVersusTorchAttention
{
    private const long window = 512;
    private const long starts = 10;
    private const long heads = 4;
    private const long width = 64;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Causal(4096, hasRotary: false, target: 2.3),
        Causal(8192, hasRotary: false, target: 4),
        Causal(4096, hasRotary: true, target: 2.3),
        Causal(8192, hasRotary: true, target: 4),
        Banded(4096, hasRotary: false),
        Banded(8192, hasRotary: false),
        Banded(4096, hasRotary: true),
        Banded(8192, hasRotary: true),
        Case("the published blocks", 4096, hasRotary: false, 3.5, (q, k, v) => new LambdaBlocks(q.size(2), window, starts)),
        Case("the published blocks", 8192, hasRotary: false, 3.5, (q, k, v) => new LambdaBlocks(q.size(2), window, starts)),
        Case("sdpa with the mask as a matrix", 4096, hasRotary: false, 4.5, (q, k, v) => new MaskedAttention(q.size(2), window, starts)),
        Case("sdpa with the mask as a matrix", 8192, hasRotary: false, 9, (q, k, v) => new MaskedAttention(q.size(2), window, starts)),
    ];

    private static RatioCase Causal(long length, bool hasRotary, double target) =>
        Case("causal sdpa over everything", length, hasRotary, target, (_, _, _) => new CausalAttention()) with { IsSameComputation = false };

    private static RatioCase Banded(long length, bool hasRotary) =>
        Case("sdpa in tiles of the band", length, hasRotary, 1, (q, _, _) => new LambdaBand(q.size(2), window, starts)) with { IsSameComputation = !hasRotary };

    private static RatioCase Case(string beside, long length, bool hasRotary, double target, Func<Tensor, Tensor, Tensor, IPlainAttention> make) =>
        new($"Lambda attention vs {beside}: {length} tokens, L {window}, G {starts}{(hasRotary ? ", rotary" : "")}", target, target, random =>
        {
            Tensor Draw() => randn([1, heads, length, width], generator: random);
            var (q, k, v) = (Draw(), Draw(), Draw());
            var positions = arange(length, dtype: ScalarType.Int64).unsqueeze(0);
            var input = new AttentionInput(q, k, v, positions, positions, null, null, hasRotary ? new RotaryEmbedding(width) : null);
            var mask = new LambdaMask(new LambdaMaskOptions { LocalLength = window, GlobalLength = starts });
            var plain = make(q, k, v);
            var turns = new RotaryTable(length, width);
            return new RatioSides(
                () => Frozen(() => hasRotary ? plain.Attend(turns.Turn(q, 0), turns.Turn(k, 0), v) : plain.Attend(q, k, v)),
                () => Frozen(() => mask.Attend(input)!),
                q, k, v, positions, plain, turns);
        });

    private static Tensor[] Frozen(Func<Tensor> side)
    {
        using var frozen = no_grad();
        return [side()];
    }
}
