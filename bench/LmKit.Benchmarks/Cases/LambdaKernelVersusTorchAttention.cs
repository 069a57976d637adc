using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Attention under a Lambda mask in each of its uses: few and many heads, no more tokens than the window, padded and packed rows, and with its
/// gradients.</summary>
/// <remarks>With rotary both sides turn queries and keys, from tables that are made once; the baselines then show starting tokens at their true
/// distance, and causal attention computes another result: there only shapes are compared. Masks are made once.</remarks>
internal static class LambdaKernelVersusTorchAttention
{
    private const long starts = 10;
    private const long width = 64;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        .. from heads in new long[] { 4, 12 } from length in new long[] { 4096, 8192 } from hasRotary in new[] { false, true } select Banded(heads, length, hasRotary),
        .. from heads in new long[] { 4, 12 } from length in new long[] { 4096, 8192 } select Causal(heads, length),
        .. from length in new long[] { 4096, 8192 } select Blocks(12, length),
        .. from heads in new long[] { 4, 12 } select Short(heads, 512),
        Padded(4, 4096),
        Packed(4, 4096),
        .. from length in new long[] { 4096, 8192 } select Training(4, length),
    ];

    private static string Sizes(long heads, long length, bool hasRotary = false) =>
        $"{length} tokens, L 512, G {starts}, {heads} heads of {width}, float32{(hasRotary ? ", rotary" : "")}";

    private static RatioCase Banded(long heads, long length, bool hasRotary) =>
        new($"Lambda kernel vs sdpa in tiles of the band: {Sizes(heads, length, hasRotary)}", 1.7, 1.7, random => Prefill(random, heads, length, hasRotary, new LambdaBand(length, 512, starts)))
        {
            IsSameComputation = !hasRotary,
        };

    private static RatioCase Causal(long heads, long length)
    {
        var target = length == 4096 ? 2.3 : 4;
        return new($"Lambda kernel vs causal sdpa over everything: {Sizes(heads, length, hasRotary: true)}", target, target, random => Prefill(random, heads, length, hasRotary: true, new CausalAttention()))
        {
            IsSameComputation = false,
        };
    }

    private static RatioCase Blocks(long heads, long length) =>
        new($"Lambda kernel vs the published blocks: {Sizes(heads, length)}", 3.5, 3.5, random => Prefill(random, heads, length, hasRotary: false, new LambdaBlocks(length, 512, starts)));

    private static RatioCase Short(long heads, long length) =>
        new($"Lambda kernel vs causal sdpa, nothing hidden: {Sizes(heads, length, hasRotary: true)}", 0.9, 0.9, random => Prefill(random, heads, length, hasRotary: true, new CausalAttention()));

    private static RatioSides Prefill(Generator random, long heads, long length, bool hasRotary, IPlainAttention plain)
    {
        var draws = new Draws(random, heads, length);
        var positions = arange(length, dtype: ScalarType.Int64).unsqueeze(0);
        var turns = new RotaryTable(length, width);
        var input = new AttentionInput(draws.Q, draws.K, draws.V, positions, positions, null, null, hasRotary ? new RotaryEmbedding(width) : null);
        var mask = Mask(512);
        return new RatioSides(
            () => Frozen(() => hasRotary ? plain.Attend(turns.Turn(draws.Q, 0), turns.Turn(draws.K, 0), draws.V) : plain.Attend(draws.Q, draws.K, draws.V)),
            () => Frozen(() => mask.Attend(input)!),
            draws,
            positions,
            turns,
            plain);
    }

    // A row that begins with a fifth of padding.
    private static RatioCase Padded(long heads, long length) =>
        new($"Lambda kernel over a padded row vs the same tokens without padding: {Sizes(heads, length)}", 1 / 1.3, 1 / 1.3, random =>
        {
            var segments = zeros([1, length + (length / 4)], ScalarType.Int64);
            segments.narrow(1, 0, length / 4).fill_(-1).Dispose();
            return Ragged(random, heads, length + (length / 4), segments, [(length / 4, length)]);
        });

    // Documents of a quarter, an eighth and five eighths of the row.
    private static RatioCase Packed(long heads, long length) =>
        new($"Lambda kernel over a packed row vs its documents one by one: {Sizes(heads, length)}", 1 / 1.3, 1 / 1.3, random =>
        {
            var parts = new[] { (Start: 0L, Count: length / 4), (Start: length / 4, Count: length / 8), (Start: length * 3 / 8, Count: length * 5 / 8) };
            var segments = zeros([1, length], ScalarType.Int64);
            for (var part = 0; part < parts.Length; part++)
                segments.narrow(1, parts[part].Start, parts[part].Count).fill_(part).Dispose();
            return Ragged(random, heads, length, segments, parts);
        });

    private static RatioSides Ragged(Generator random, long heads, long length, Tensor segments, (long Start, long Count)[] parts)
    {
        var draws = new Draws(random, heads, length);
        var mask = Mask(512);
        var layout = SequenceLayout.Read(1, length, segments);
        var (positions, documents) = (layout.PositionTensor(CPU), layout.SegmentTensor(CPU));
        var whole = new AttentionInput(draws.Q, draws.K, draws.V, positions, positions, documents, documents, null);
        var alone = parts.Select(part =>
        {
            var places = arange(part.Count, dtype: ScalarType.Int64).unsqueeze(0);
            Tensor Own(Tensor x) => x.narrow(2, part.Start, part.Count).contiguous();
            return new AttentionInput(Own(draws.Q), Own(draws.K), Own(draws.V), places, places, null, null, null);
        }).ToArray();
        return new RatioSides(
            () => Frozen([.. alone.Select(one => (Func<Tensor>)(() => mask.Attend(one)!))]),
            () => Frozen(() => mask.Attend(whole)!, parts),
            [draws, segments, positions, documents, .. alone.SelectMany(one => new[] { one.Queries, one.Keys, one.Values, one.QueryPositions })]);
    }

    private static RatioCase Training(long heads, long length) =>
        new($"Lambda kernel vs sdpa in tiles of the band, forward and backward: {Sizes(heads, length)}", 2, 2, random =>
        {
            var draws = new Draws(random, heads, length);
            Tensor[] leaves = [draws.Q.requires_grad_(), draws.K.requires_grad_(), draws.V.requires_grad_()];
            var positions = arange(length, dtype: ScalarType.Int64).unsqueeze(0);
            var gradient = randn([1, heads, length, width], generator: random);
            var input = new AttentionInput(draws.Q, draws.K, draws.V, positions, positions, null, null, null);
            var (band, mask) = (new LambdaBand(length, 512, starts), Mask(512));
            Tensor[] Both(Tensor y) => [y.detach(), .. autograd.grad([y], leaves, [gradient])];
            return new RatioSides(() => Both(band.Attend(draws.Q, draws.K, draws.V)), () => Both(mask.Attend(input)!), draws, positions, gradient, band);
        });

    private static LambdaMask Mask(long window) => new(new LambdaMaskOptions { LocalLength = window, GlobalLength = starts });

    private static Tensor[] Frozen(params Func<Tensor>[] sides)
    {
        using var frozen = no_grad();
        return [.. sides.Select(side => side())];
    }

    // The columns of each part, to compare with what it gave alone.
    private static Tensor[] Frozen(Func<Tensor> side, (long Start, long Count)[] parts)
    {
        using var frozen = no_grad();
        var y = side();
        return [.. parts.Select(part => y.narrow(2, part.Start, part.Count))];
    }

    // Queries, keys and values of one row.
    private sealed class Draws(Generator random, long heads, long length) : IDisposable
    {
        internal Tensor Q { get; } = randn([1, heads, length, width], generator: random);

        internal Tensor K { get; } = randn([1, heads, length, width], generator: random);

        internal Tensor V { get; } = randn([1, heads, length, width], generator: random);

        public void Dispose()
        {
            Q.Dispose();
            K.Dispose();
            V.Dispose();
        }
    }
}
