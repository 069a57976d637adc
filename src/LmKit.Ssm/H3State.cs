using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>H3's carried state, of fixed size: the last N keys of every channel and the diagonal state of every head.</summary>
/// <remarks>The keys are raw, not filtered by the shift state space's B; <see cref="H3Mixer.PublishedShiftState"/> gives the
/// published form. Single-token calls without gradients keep step tables here, made from the parameters at the first of them and
/// dropped by any other call: parameters must not change in between.</remarks>
public sealed class H3State : RecurrentState
{
    private H3Step? step;

    internal H3State(long[] recentShape, long[] diagonalShape, long batch, ScalarType dtype, Device device)
        : base(["recent_keys", "diagonal"], [recentShape, diagonalShape], batch, dtype, device)
    {
    }

    private H3State(string[] names, Tensor[] parts, DocumentCursor cursor, long position)
        : base(names, parts, cursor, position)
    {
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        DropStep();
        base.Dispose();
    }

    internal H3Step Step(Func<H3Step> make) => step ??= make();

    internal void DropStep()
    {
        step?.Dispose();
        step = null;
    }

    private protected override RecurrentState Copy(string[] copyNames, Tensor[] copies, DocumentCursor cursor) => new H3State(copyNames, copies, cursor, Position);
}
