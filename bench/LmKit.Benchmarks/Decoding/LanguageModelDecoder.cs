using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Decoding;

/// <summary>A sequence that a model of ours continues by its own call with carried state, as a sampler does.</summary>
/// <remarks>The model stays the caller's.</remarks>
internal sealed class LanguageModelDecoder(LanguageModel model) : IDecoder
{
    private readonly Tensor _row = zeros(1, dtype: ScalarType.Int64).DetachFromDisposeScope();
    private readonly MixerState _context = model.NewState(1);
    private MixerState? _state;

    public void Read(long[] context)
    {
        using var frozen = no_grad();
        using var tokens = tensor(context, [1, context.Length]);
        model.call(tokens, new SequenceContext(_context)).Dispose();
    }

    public Tensor Step(long token)
    {
        using var frozen = no_grad();
        using var tokens = tensor(new[] { token }, [1, 1]);
        _state ??= _context.Fork(_row);
        using var logits = model.call(tokens, new SequenceContext(_state)); // (1, 1, V)
        return logits.view(-1);
    }

    public void Return()
    {
        _state?.Dispose();
        _state = null;
    }

    public void Dispose()
    {
        _state?.Dispose();
        _context.Dispose();
        _row.Dispose();
    }
}
