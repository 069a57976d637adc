using static TorchSharp.torch;

namespace LmKit.Benchmarks.Decoding;

/// <summary>Decodes the same few tokens after the context over and over, one a call, so that a call always stands about as far behind
/// the context's start, however many are measured.</summary>
/// <remarks>Going back is part of the first token's call, which is one of many: a median does not see it.</remarks>
internal sealed class RepeatedDecoding(IDecoder decoder, IReadOnlyList<long> tokens)
{
    private int next;

    internal Tensor[] Step()
    {
        if (next == tokens.Count)
        {
            decoder.Return();
            next = 0;
        }

        return [decoder.Step(tokens[next++])];
    }
}
