using LLama;
using LLama.Native;
using LmKit.Benchmarks.Decoding;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.LlamaCpp;

/// <summary>A sequence that llama.cpp continues.</summary>
internal sealed class LlamaCppDecoder(LLamaContext context) : IDecoder
{
    private readonly LLamaBatch tokens = new();
    private int contextLength;
    private int position;

    public void Read(long[] tokens)
    {
        var batch = (int)context.BatchSize;
        for (var at = 0; at < tokens.Length; at += batch)
            Decode(tokens.AsSpan(at, Math.Min(batch, tokens.Length - at)));

        contextLength = position;
    }

    public Tensor Step(long token)
    {
        Decode([token]);
        return tensor(context.NativeHandle.GetLogitsIth(0).ToArray());
    }

    public void Return()
    {
        context.NativeHandle.MemorySequenceRemove(LLamaSeqId.Zero, contextLength, -1);
        position = contextLength;
    }

    public void Dispose() => context.Dispose();

    private void Decode(ReadOnlySpan<long> tokens)
    {
        this.tokens.Clear();
        for (var at = 0; at < tokens.Length; at++)
            this.tokens.Add((int)tokens[at], position + at, LLamaSeqId.Zero, at == tokens.Length - 1);

        var result = context.NativeHandle.Decode(this.tokens);
        if (result != DecodeResult.Ok)
            throw new InvalidOperationException($"llama.cpp could not decode {tokens.Length} tokens at position {position}: {result}.");

        position += tokens.Length;
    }
}
