using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Reads back at which distance a mask shows each key: an encoding that adds log(1 + distance) to equal scores makes the
/// weights proportional to 1 + distance, and one-hot values bring the weights out.</summary>
internal sealed class ShownDistance : PositionEncoding
{
    public override Tensor? Bias(Tensor distances, ScalarType dtype) => distances.clamp(min: 0).to(dtype).log1p().unsqueeze(1);

    /// <summary>Distances (T, T) of the three forms, -1 where a key is hidden.</summary>
    internal static IEnumerable<(string Form, Tensor Distances)> Read(LambdaMask mask, long length)
    {
        var nothing = zeros(1, 1, length, length, dtype: ScalarType.Float64);
        var oneHot = eye(length, dtype: ScalarType.Float64).view(1, 1, length, length);
        var whole = Inputs.Uniform(nothing, nothing, oneHot, new ShownDistance());
        yield return ("tiles", Distances(mask.Attend(whole)!));
        yield return ("dense", Distances(mask.Attend(whole.WithSegments())!));
        var steps = Enumerable.Range(0, (int)length).Select(t => mask.Attend(whole with
        {
            Queries = nothing.narrow(2, t, 1),
            Keys = nothing.narrow(2, 0, t + 1),
            Values = oneHot.narrow(2, 0, t + 1),
            QueryPositions = whole.QueryPositions.narrow(1, t, 1),
            KeyPositions = whole.KeyPositions.narrow(1, 0, t + 1),
        })!);
        yield return ("steps", Distances(cat([.. steps], 2)));
    }

    private static Tensor Distances(Tensor attended)
    {
        var weights = attended[0][0];
        return weights / weights.diagonal().unsqueeze(-1) - 1; // the query itself stands at distance 0
    }
}
