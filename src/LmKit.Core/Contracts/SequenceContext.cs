using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a mixer may know beside its input: the carried state and the documents of a packed or padded batch.</summary>
/// <param name="State">Advanced in place by the call; null means the start of a sequence and nothing to carry.</param>
/// <param name="Segments">Document ids (B, L) int64, -1 for padding; ids differ between the documents of a row and mean the
/// same in every call that shares a state. Null continues each row's last document (document 0 at the start).</param>
/// <remarks>Padding may stand anywhere; it neither reads nor changes state, and its outputs are finite but unspecified.</remarks>
public sealed record SequenceContext(MixerState? State = null, Tensor? Segments = null);
