using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Decoding;

/// <summary>A sequence that a model of ours continues by its own call with carried state, as a sampler does.</summary>
/// <remarks>The model stays the caller's.</remarks>
internal sealed class LanguageModelDecoder(LanguageModel model) : IDecoder
{
    private readonly Tensor row = zeros(1, dtype: ScalarType.Int64).DetachFromDisposeScope();
    private readonly MixerState context = model.NewState(1);
    private MixerState? state;

    public void Read(long[] context)
    {
        using var frozen = no_grad();
        using var tokens = tensor(context, [1, context.Length]);
        model.call(tokens, new SequenceContext(this.context)).Dispose();
    }

    public Tensor Step(long token)
    {
        using var frozen = no_grad();
        using var tokens = tensor(new[] { token }, [1, 1]);
        state ??= context.Fork(row);
        using var logits = model.call(tokens, new SequenceContext(state)); // (1, 1, V)
        return logits.view(-1);
    }

    public void Return()
    {
        state?.Dispose();
        state = null;
    }

    public void Dispose()
    {
        state?.Dispose();
        context.Dispose();
        row.Dispose();
    }
}
