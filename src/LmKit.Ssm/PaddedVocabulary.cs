using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keeps sampling inside a vocabulary whose tables are padded.</summary>
public static class PaddedVocabulary
{
    /// <summary>A filter that forbids the ids from a vocabulary's size on.</summary>
    /// <param name="vocabSize">The vocabulary's own size.</param>
    public static LogitFilter Hide(long vocabSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabSize, 1);
        return (logits, _, _) =>
        {
            new TensorCheck(nameof(PaddedVocabulary)).AnyFloating(logits, nameof(logits), "... V");
            using var scope = NewDisposeScope();
            var isPadding = arange(logits.size(-1), dtype: ScalarType.Int64, device: logits.device).ge(vocabSize);
            return logits.masked_fill(isPadding, double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}
