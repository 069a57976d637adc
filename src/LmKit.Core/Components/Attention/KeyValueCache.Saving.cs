using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public sealed partial class KeyValueCache
{
    /// <inheritdoc/>
    /// <remarks>Beside keys and values: each slot's position and document, where the rows stand (<c>cursor</c>), where they stood before the
    /// columns that can still be rolled back, and how many of those there are (<c>origin</c>), and the name of the mask in UTF-8
    /// (<c>mask</c>).</remarks>
    public override IReadOnlyDictionary<string, Tensor> Tensors
    {
        get
        {
            Forget();
            for (var index = 0; index < buffers.Count; index++)
                exposed[names[index]] = buffers.Held(index, Count).DetachFromDisposeScope();
            exposed["positions"] = slots.PositionTensor(buffers[0].device).DetachFromDisposeScope();
            exposed["documents"] = slots.DocumentTensor(buffers[0].device).DetachFromDisposeScope();
            exposed["cursor"] = tensor(cursor.ToArray()).DetachFromDisposeScope();
            exposed["origin"] = tensor([.. At(Count - Room).ToArray(), Room]).DetachFromDisposeScope();
            exposed["mask"] = tensor(Encoding.UTF8.GetBytes(MaskName)).DetachFromDisposeScope();
            return exposed;
        }
    }

    private string MaskName => mask.ToString() ?? mask.GetType().Name;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor is missing, of another size, or not what a cache holds, or the cache is of another mask;
    /// nothing has changed.</exception>
    public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ObjectDisposedException.ThrowIf(buffers.IsInvalid, this);
        CheckNames(tensors);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        using var scope = NewDisposeScope();
        CheckMask(tensors["mask"]);
        var batch = buffers[0].size(0);
        CheckNumbers(tensors);
        var (positions, documents) = (HostValues.Read(tensors["positions"]), HostValues.Read(tensors["documents"]));
        if (positions.Any(value => value < 0) || documents.Any(value => value < -1))
            throw new ArgumentException("The saved positions or documents are negative; a position is 0 or more, a document -1 for padding or more.", nameof(tensors));
        var restored = DocumentCursor.FromArray(HostValues.Read(tensors["cursor"]), batch);
        var restoredSlots = KeySlots.FromArrays(positions, documents, restored);
        var numbers = HostValues.Read(tensors["origin"]);
        if (numbers.Length == 0 || numbers[^1] < 0 || numbers[^1] > restoredSlots.Count)
            throw new ArgumentException($"The saved origin ends with {(numbers.Length == 0 ? "nothing" : numbers[^1])} columns, of {restoredSlots.Count} that are held.", nameof(tensors));
        var restoredOrigin = DocumentCursor.FromArray(numbers.AsSpan()[..^1], batch);
        CheckOrder(restoredSlots, restoredOrigin, restored, numbers[^1]);
        // Copied before anything is let go: what is given may be this state's own.
        var copies = names[..buffers.Count].Select(name => tensors[name].contiguous().clone()).ToArray();
        Forget();
        (slots, cursor, origin, trail, takenBack) = (restoredSlots, restored, restoredOrigin, numbers[^1], 0);
        buffers.Replace(copies);
        dropAt = slots.Count + SpareSlots;
        Position = position;
    }

    private void CheckNames(IReadOnlyDictionary<string, Tensor> tensors)
    {
        foreach (var (name, tensor) in tensors)
            TensorCheck.CheckValues(tensor, name, nameof(KeyValueCache));
        foreach (var name in names.Where(name => !tensors.ContainsKey(name)))
        {
            throw new ArgumentException(
                $"The saved key-value cache lacks '{name}'{(name is "turned_keys" or "origin" or "mask" ? "; it is of an earlier version, or of other positions: read the text again" : "")}.",
                nameof(tensors));
        }
        foreach (var name in tensors.Keys.Except(names))
            throw new ArgumentException($"The saved state holds '{name}', which a {nameof(KeyValueCache)} does not.", nameof(tensors));
    }

    private void CheckMask(Tensor saved)
    {
        if (saved.dtype != ScalarType.Byte || saved.dim() != 1)
            throw new ArgumentException($"The saved mask ({saved.dtype}) is not the name of one.", nameof(saved));
        using var host = saved.cpu().contiguous();
        var name = Encoding.UTF8.GetString(host.data<byte>().ToArray());
        if (name != MaskName)
            throw new ArgumentException($"The saved cache is of the mask {name} and this state of {MaskName}, which keeps and sees other keys; a cache goes on under the mask that filled it, else read the text again.", nameof(saved));
    }

    private void CheckNumbers(IReadOnlyDictionary<string, Tensor> tensors)
    {
        var given = tensors[names[0]];
        var held = given.dim() == 4 ? given.size(2) : -1;
        var batch = buffers[0].size(0);
        for (var index = 0; index < buffers.Count; index++)
            CheckShape(names[index], batch, buffers[index].size(1), held, buffers[index].size(3));
        CheckShape("positions", batch, held);
        CheckShape("documents", batch, held);
        var dtype = tensors[names[IsCoarse ? 2 : 0]].dtype;
        for (var index = 0; index < buffers.Count; index++)
        {
            var saved = tensors[names[index]];
            var isCode = IsCoarse && index < 2;
            if (isCode && saved.dtype != ScalarType.Int8)
                throw new ArgumentException($"The saved {names[index]} ({saved.dtype}) are not numbers of 8 bits, in which this state holds them ({nameof(AttentionOptions)}.{nameof(AttentionOptions.CacheFormat)} = {format}).", nameof(tensors));
            if (!isCode && (!saved.is_floating_point() || saved.dtype != dtype || !saved.isfinite().all().item<bool>()))
                throw new ArgumentException($"The saved {names[index]} ({saved.dtype}) are not finite numbers of one floating dtype.", nameof(tensors));
        }
        foreach (var name in names[buffers.Count..].Where(name => !tensors[name].is_integral()))
            throw new ArgumentException($"The saved {name} ({tensors[name].dtype}) are not whole numbers.", nameof(tensors));

        void CheckShape(string name, params long[] shape)
        {
            if (!tensors[name].shape.SequenceEqual(shape))
                throw new ArgumentException($"The saved {name} ({string.Join(", ", tensors[name].shape)}) do not fit a state of ({string.Join(", ", shape)}).", nameof(tensors));
        }
    }

    // Within a document positions go forward, and the last columns lead from the origin to where the rows stand.
    private static void CheckOrder(KeySlots slots, DocumentCursor origin, DocumentCursor cursor, long trail)
    {
        var first = slots.Count - (int)trail;
        for (var row = 0; row < cursor.Batch && !slots.IsUniform; row++)
        {
            var last = new Dictionary<long, long>();
            for (var slot = 0; slot < slots.Count; slot++)
            {
                var (document, position) = (slots.Documents(row)[slot], slots.Positions(row)[slot]);
                if (document < 0)
                    continue;
                if (last.TryGetValue(document, out var before) && position <= before && position > 0)
                    throw new ArgumentException($"The saved positions of row {row} go from {before} back to {position} in document {document}.", nameof(slots));
                last[document] = position;
            }
        }
        var at = origin.Copy();
        for (var row = 0; row < cursor.Batch; row++)
        {
            for (var slot = first; slot < slots.Count; slot++)
            {
                var document = slots.IsUniform ? 0 : slots.Documents(row)[slot];
                var position = at.Advance(row, document);
                if (document >= 0 && position != slots.Positions(row)[slot])
                    throw new ArgumentException($"The saved positions of row {row} go on with {slots.Positions(row)[slot]} where {position} follows.", nameof(slots));
            }
            if (at.Documents[row] != cursor.Documents[row] || at.Counts[row] != cursor.Counts[row])
                throw new ArgumentException($"The saved origin leads row {row} to {at.Counts[row]} tokens of document {at.Documents[row]}, and its cursor stands at {cursor.Counts[row]} of document {cursor.Documents[row]}.", nameof(slots));
        }
    }
}
