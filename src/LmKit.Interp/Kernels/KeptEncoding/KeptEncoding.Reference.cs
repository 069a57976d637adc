using static TorchSharp.torch;

namespace LmKit;

internal sealed partial record KeptEncoding
{
    /// <summary>The codes out of those of all features.</summary>
    internal Tensor Reference(Tensor centred, Tensor encoder, Tensor? encoderBias, Tensor decoderBias)
    {
        using var scope = NewDisposeScope();
        var x = IsCentred ? centred.detach() + (decoderBias.detach() - decoderBias) : centred.detach();
        var pre = encoderBias is null ? x.mm(encoder) : x.mm(encoder) + encoderBias;
        var places = Kept.Rows().to(pre.device) * Kept.FeatureCount + tensor(Kept.Features, ScalarType.Int64, pre.device);
        return (Rectifies ? pre.relu() : pre).view(-1).index_select(0, places).MoveToOuterDisposeScope();
    }
}
