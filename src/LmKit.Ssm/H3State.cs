using static TorchSharp.torch;

namespace LmKit;

/// <summary>H3's carried state, of fixed size: the last N keys of every channel and the diagonal state of every head.</summary>
/// <remarks>The keys are raw, not filtered by the shift state space's B; <see cref="H3Mixer.PublishedShiftState"/> gives the
/// published form.</remarks>
public sealed class H3State : RecurrentState
{
    private static readonly string[] PartNames = ["recent_keys", "diagonal"];

    internal H3State(long[] recentShape, long[] diagonalShape, long batch, ScalarType dtype, Device device)
        : base(nameof(H3Mixer), PartNames, [recentShape, diagonalShape], batch, dtype, device)
    {
    }

    private H3State(Tensor[] parts, DocumentCursor cursor, long position)
        : base(nameof(H3Mixer), PartNames, parts, cursor, position)
    {
    }

    private protected override RecurrentState Copy(Tensor[] copies, DocumentCursor cursor) => new H3State(copies, cursor, Position);
}
