using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

/// <summary>What attention through a window is, pair by pair: each score from a query and a key encoded at the distance at which the mask shows them.</summary>
internal static class LambdaDefinition
{
    internal static Tensor Attend(AttentionInput input, MaskReach reach)
    {
        using var scope = NewDisposeScope();
        var (batch, heads, length, width) = (input.Queries.size(0), input.Queries.size(1), input.Queries.size(2), input.Queries.size(3));
        var sharing = heads / input.Keys.size(1);
        var y = zeros_like(input.Queries);
        for (var row = 0L; row < batch; row++)
        {
            for (var query = 0L; query < length; query++)
            {
                var seen = Seen(input, reach, row, query);
                if (seen.Count == 0)
                    continue;
                var keys = tensor(seen.Select(key => key.Index).ToArray());
                var distances = tensor(seen.Select(key => key.Shown).ToArray(), [1, seen.Count]);
                var q = input.Queries.narrow(0, row, 1).narrow(2, query, 1);
                var k = input.Keys.narrow(0, row, 1).index_select(2, keys).repeat_interleave(sharing, 1);
                var v = input.Values.narrow(0, row, 1).index_select(2, keys).repeat_interleave(sharing, 1);
                if (input.Encoding is { } encoding)
                {
                    // A key at 0 and its query at the distance.
                    q = encoding.EncodeQueries(q.expand(-1, -1, seen.Count, -1), distances);
                    k = encoding.EncodeKeys(k, zeros_like(distances));
                }
                var scores = input.Cap((q * k).sum(-1) / Math.Sqrt(width)); // (1, H, M)
                if (input.Encoding?.Bias(distances.unsqueeze(1), scores.dtype) is { } bias)
                    scores += bias.squeeze(2);
                if (input.Sinks is { } sinks)
                    scores = cat([scores, sinks.view(1, heads, 1)], -1);
                var weights = scores.softmax(-1).narrow(-1, 0, seen.Count);
                y.narrow(0, row, 1).narrow(2, query, 1).copy_((weights.unsqueeze(-1) * v).sum(2, keepdim: true));
            }
        }
        return y.MoveToOuterDisposeScope();
    }

    private static List<(long Index, long Shown)> Seen(AttentionInput input, MaskReach reach, long row, long query)
    {
        var seen = new List<(long, long)>();
        var position = input.QueryPositions[row, query].ToInt64();
        var document = input.QuerySegments?[row, query].ToInt64();
        for (var key = 0L; key < input.Keys.size(2); key++)
        {
            var place = input.KeyPositions[row, key].ToInt64();
            var distance = position - place;
            if (document is { } own && (own < 0 || input.KeySegments![row, key].ToInt64() != own))
                continue;
            if (distance >= 0 && distance < reach.Window)
                seen.Add((key, distance));
            else if (distance >= 0 && place < reach.Starts)
                seen.Add((key, reach.Far switch { FarDistance.Ceiling => reach.Ceiling, FarDistance.Closed => Math.Min(position, reach.Ceiling) - place, _ => distance }));
        }
        return seen;
    }
}
