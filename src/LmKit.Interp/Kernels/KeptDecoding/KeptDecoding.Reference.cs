using static TorchSharp.torch;

namespace LmKit;

internal static partial class KeptDecoding
{
    /// <summary>The product with the codes of all features.</summary>
    internal static Tensor Reference(Tensor values, Tensor decoder, KeptFeatures kept)
    {
        using var scope = NewDisposeScope();
        var features = tensor(kept.Features, ScalarType.Int64, decoder.device);
        var places = kept.Rows().to(decoder.device) * kept.FeatureCount + features;
        var codes = zeros([(long)kept.RowCount * kept.FeatureCount], values.dtype, values.device).index_add(0, places, values, 1);
        return codes.view(kept.RowCount, kept.FeatureCount).mm(decoder).MoveToOuterDisposeScope();
    }
}
