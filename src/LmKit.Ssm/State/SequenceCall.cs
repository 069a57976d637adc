using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One call of a mixer that works on plain rows: brings documents and padding into rows of their own, and carries state.</summary>
internal sealed class SequenceCall
{
    private readonly DocumentGroups? documents;

    private SequenceCall(RecurrentState? state, DocumentGroups? documents, bool isEmpty)
    {
        State = state;
        this.documents = documents;
        IsEmpty = isEmpty;
    }

    /// <summary>Mixes rows of equal length, each one document, from what they carry (from the start without any).</summary>
    /// <param name="inputs">Projections (B, L, ...).</param>
    /// <param name="carry">What the rows begin with, or null.</param>
    /// <param name="lengths">How many columns of each row count; null for all.</param>
    /// <param name="tracksState">Whether gradients flow into what the rows end with.</param>
    /// <returns>Outputs (B, L, ...) and, given a carry, what the rows end with.</returns>
    internal delegate (Tensor Output, Tensor[]? Next) RowMixing(Tensor[] inputs, Tensor[]? carry, IReadOnlyList<long>? lengths, bool tracksState);

    /// <summary>Makes the mixing of rows.</summary>
    /// <param name="length">The longest row.</param>
    /// <param name="rows">How many rows carry state.</param>
    /// <param name="isPiece">Whether longer rows come piece by piece, some of which end within a piece or before it.</param>
    internal delegate RowMixing RowPreparation(long length, long rows, bool isPiece);

    /// <summary>The carried state, or null.</summary>
    internal RecurrentState? State { get; }

    /// <summary>Whether there is no token to mix.</summary>
    internal bool IsEmpty { get; }

    /// <summary>Checks a call's arguments and moves the state's cursor past its columns.</summary>
    internal static SequenceCall Begin(string mixer, Tensor x, long width, SequenceContext? context)
    {
        Shapes.CheckSequence(x, width, mixer);
        var state = context?.State switch
        {
            null => null,
            RecurrentState own when own.Owner == mixer => own,
            RecurrentState foreign => throw new ArgumentException($"{mixer} carries a state that it made itself; this one is of a {foreign.Owner}.", nameof(context)),
            var other => throw new ArgumentException($"{mixer} carries a state that it made itself; got {other.GetType().Name}.", nameof(context)),
        };
        var (batch, length) = (x.size(0), x.size(1));
        var layout = SequenceLayout.Read(batch, length, context?.Segments, state?.Cursor);
        state?.MovePast(length);
        var groups = layout.IsUniform || batch * length == 0 ? null : DocumentGroups.Read(layout);
        return new SequenceCall(state, groups, batch * length == 0 || groups?.Groups.Count == 0);
    }

    /// <summary>Mixes the projections of the call's columns and keeps what is carried on.</summary>
    /// <param name="inputs">Projections (B, L, ...).</param>
    /// <param name="prepare">Makes the mixing.</param>
    /// <param name="chunkLength">Columns at a time, for bounded memory; 0 for all at once.</param>
    /// <param name="start">What rows begin with at the start of a sequence, given their number; needed for chunks.</param>
    internal Tensor Mix(Tensor[] inputs, RowPreparation prepare, long chunkLength = 0, Func<long, Tensor[]>? start = null)
    {
        var carry = State?.Carry;
        var longest = documents?.Groups[^1].Length ?? inputs[0].size(1);
        var isChunked = chunkLength > 0 && longest > chunkLength;
        var mix = isChunked ? InChunks(prepare, chunkLength, start!) : prepare(longest, carry is null ? 0 : inputs[0].size(0), isPiece: false);
        if (documents is null || (documents.IsWhole && carry is not null))
        {
            var (mixed, next) = mix(inputs, carry, null, false);
            if (carry is not null)
                State!.Set(next!);
            return mixed;
        }
        var outputs = new List<Tensor>();
        var ends = carry;
        foreach (var group in documents.Groups)
        {
            var (mixed, next) = mix(
                [.. inputs.Select(group.Split)],
                carry is null ? null : CarriedRows.Select(carry, group),
                group.IsEven ? null : group.Lengths,
                false);
            outputs.Add(mixed);
            if (ends is not null)
                ends = CarriedRows.Replace(ends, group, next!);
        }
        if (ends is not null)
            State!.Set(ends);
        return documents.Join(outputs);
    }

    // Exact state passing: each chunk begins with what the one before it ended with, and gradients flow through all of them.
    private static RowMixing InChunks(RowPreparation prepare, long chunkLength, Func<long, Tensor[]> start) => (inputs, carry, lengths, _) =>
    {
        var (rows, length) = (inputs[0].size(0), inputs[0].size(1));
        var mix = prepare(Math.Min(chunkLength, length), rows, isPiece: true);
        var (carried, outputs) = (carry ?? start(rows), new List<Tensor>());
        for (long at = 0; at < length; at += chunkLength)
        {
            var count = Math.Min(chunkLength, length - at);
            var left = lengths?.Select(whole => Math.Clamp(whole - at, 0, count)).ToArray();
            var (mixed, next) = mix([.. inputs.Select(input => input.narrow(1, at, count))], carried, left, is_grad_enabled());
            outputs.Add(mixed);
            carried = next!;
        }
        return (cat(outputs, 1), carry is null ? null : carried);
    };
}
