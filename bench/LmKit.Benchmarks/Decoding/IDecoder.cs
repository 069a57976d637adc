using static TorchSharp.torch;

namespace LmKit.Benchmarks.Decoding;

/// <summary>A sequence that a model has read and continues token by token.</summary>
internal interface IDecoder : IDisposable
{
    /// <summary>Takes the context in.</summary>
    void Read(long[] context);

    /// <summary>Takes one more token in and gives the logits (V) behind it, in the caller's dispose scope.</summary>
    Tensor Step(long token);

    /// <summary>Forgets all tokens behind the context.</summary>
    void Return();
}
