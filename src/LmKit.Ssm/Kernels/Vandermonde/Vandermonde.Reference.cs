using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static partial class Vandermonde
{
    private static (Tensor Output, Tensor State) Reference(
        DiscreteDiagonal diagonal,
        TwoLevelPowers powers,
        Tensor u,
        Tensor state,
        Tensor sums,
        IReadOnlyList<long>? lengths,
        bool tracksState)
    {
        var (batch, heads, pairs, length) = (u.size(0), u.size(1), u.size(2), u.size(3));
        var output = sums + diagonal.Response(powers, state, length).reshape(batch, pairs, heads, length).transpose(1, 2);
        if (tracksState)
            return (output, Advance(diagonal, powers, u, state, lengths));
        using var frozen = no_grad();
        return (output, Advance(diagonal, powers, u.detach(), state, lengths));
    }

    private static Tensor Advance(DiscreteDiagonal diagonal, TwoLevelPowers powers, Tensor u, Tensor rows, IReadOnlyList<long>? lengths)
    {
        var (batch, heads, pairs, length) = (u.size(0), u.size(1), u.size(2), u.size(3));
        Tensor reversed, counts;
        if (lengths is null)
        {
            reversed = u.flip(3);
            counts = tensor(new[] { (double)length }, device: u.device);
        }
        else
        {
            var ends = tensor(lengths.ToArray(), [batch, 1], device: u.device);
            var places = ends - 1 - arange(length, dtype: ScalarType.Int64, device: u.device); // (B, L)
            var taken = u.gather(3, places.clamp(min: 0).reshape(batch, 1, 1, length).expand(u.shape));
            reversed = taken * places.ge(0).reshape(batch, 1, 1, length);
            counts = ends.expand(batch, pairs).reshape(-1).to(ScalarType.Float64);
        }
        return diagonal.Advance(powers, rows, reversed.transpose(1, 2).reshape(batch * pairs, heads, length), counts);
    }
}
