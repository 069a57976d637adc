using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Attention's carried state: keys before position encoding, values, and each key's position and document.</summary>
/// <remarks>Rows are stored side by side in one buffer that grows by doubling. When the mask forgets, keys hidden from every later
/// query are dropped in batches, so the size stays bounded. A dropped or padded slot has document -1.</remarks>
public sealed class KeyValueCache : MixerState
{
    private const long SpareSlots = 32;

    private readonly IAttentionMask mask;
    private readonly string[] names = ["keys", "values", "positions", "documents", "cursor"];
    private readonly Dictionary<string, Tensor> exposed = [];
    private DocumentCursor cursor;
    private Tensor keys;
    private Tensor values;
    private Tensor positions;
    private Tensor documents;
    private long count;
    private long dropAt = SpareSlots;

    internal KeyValueCache(IAttentionMask mask, long batch, long headCount, long headDim)
    {
        this.mask = mask;
        cursor = new DocumentCursor(batch);
        keys = empty(batch, headCount, 0, headDim).DetachFromDisposeScope();
        values = empty(batch, headCount, 0, headDim).DetachFromDisposeScope();
        positions = empty([batch, 0], ScalarType.Int64).DetachFromDisposeScope();
        documents = empty([batch, 0], ScalarType.Int64).DetachFromDisposeScope();
    }

    private KeyValueCache(KeyValueCache source, Tensor rows, long[] chosen)
    {
        mask = source.mask;
        using var scope = NewDisposeScope();
        cursor = source.cursor.Fork(chosen);
        var index = rows.to(source.keys.device);
        Tensor Copy(Tensor buffer, long axis) => buffer.narrow(axis, 0, source.count).index_select(0, index).DetachFromDisposeScope();
        (keys, values) = (Copy(source.keys, 2), Copy(source.values, 2));
        (positions, documents) = (Copy(source.positions, 1), Copy(source.documents, 1));
        (count, dropAt, Position) = (source.count, source.dropAt, source.Position);
    }

    /// <summary>Keys held per row, spare slots not counted.</summary>
    public long Count => count;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, Tensor> Tensors
    {
        get
        {
            Forget();
            exposed["keys"] = keys.narrow(2, 0, count).DetachFromDisposeScope();
            exposed["values"] = values.narrow(2, 0, count).DetachFromDisposeScope();
            exposed["positions"] = positions.narrow(1, 0, count).DetachFromDisposeScope();
            exposed["documents"] = documents.narrow(1, 0, count).DetachFromDisposeScope();
            exposed["cursor"] = tensor(cursor.ToArray()).DetachFromDisposeScope();
            return exposed;
        }
    }

    /// <inheritdoc/>
    public override MixerState Fork(Tensor rows)
    {
        var chosen = cursor.ReadRows(rows, nameof(Attention));
        ObjectDisposedException.ThrowIf(keys.IsInvalid, this);
        return new KeyValueCache(this, rows, chosen);
    }

    /// <inheritdoc/>
    public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ObjectDisposedException.ThrowIf(keys.IsInvalid, this);
        foreach (var (name, tensor) in tensors)
            TensorCheck.CheckValues(tensor, name, nameof(KeyValueCache));
        foreach (var name in names.Where(name => !tensors.ContainsKey(name)))
            throw new ArgumentException($"The saved key-value cache lacks '{name}'.", nameof(tensors));
        foreach (var name in tensors.Keys.Except(names))
            throw new ArgumentException($"The saved state holds '{name}', which a {nameof(KeyValueCache)} does not.", nameof(tensors));
        using var scope = NewDisposeScope();
        var batch = keys.size(0);
        var held = tensors["keys"].dim() == 4 ? tensors["keys"].size(2) : -1;
        long[] wide = [batch, keys.size(1), held, keys.size(3)];
        Check("keys", wide);
        Check("values", wide);
        Check("positions", [batch, held]);
        Check("documents", [batch, held]);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        foreach (var name in (string[])["keys", "values"])
        {
            if (!tensors[name].is_floating_point() || tensors[name].dtype != tensors["keys"].dtype || !tensors[name].isfinite().all().item<bool>())
                throw new ArgumentException($"The saved {name} ({tensors[name].dtype}) are not finite numbers of one floating dtype.", nameof(tensors));
        }
        foreach (var name in (string[])["positions", "documents", "cursor"])
        {
            if (!tensors[name].is_integral())
                throw new ArgumentException($"The saved {name} ({tensors[name].dtype}) are not whole numbers.", nameof(tensors));
        }
        if (HostValues.Read(tensors["positions"]).Any(value => value < 0) || HostValues.Read(tensors["documents"]).Any(value => value < -1))
            throw new ArgumentException("The saved positions or documents are negative; a position is 0 or more, a document -1 for padding or more.", nameof(tensors));
        var restored = DocumentCursor.FromArray(HostValues.Read(tensors["cursor"]), batch);
        Forget();
        cursor = restored;
        Keep(ref keys, tensors["keys"].clone());
        Keep(ref values, tensors["values"].clone());
        Keep(ref positions, tensors["positions"].to(ScalarType.Int64, keys.device).clone());
        Keep(ref documents, tensors["documents"].to(ScalarType.Int64, keys.device).clone());
        count = keys.size(2);
        dropAt = count + SpareSlots;
        Position = position;

        void Check(string name, long[] shape)
        {
            if (!tensors[name].shape.SequenceEqual(shape))
                throw new ArgumentException($"The saved {name} ({string.Join(", ", tensors[name].shape)}) do not fit a state of ({string.Join(", ", shape)}).", nameof(tensors));
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Forget();
        keys.Dispose();
        values.Dispose();
        positions.Dispose();
        documents.Dispose();
    }

    /// <summary>Takes new keys and values in and gives what the queries of the same columns attend to; all in the caller's scope.</summary>
    internal AttentionInput Extend(Tensor q, Tensor k, Tensor v, Tensor? segments, PositionEncoding? encoding)
    {
        Forget();
        Adopt(k);
        var length = q.size(2);
        var layout = SequenceLayout.Read(q.size(0), length, segments, cursor);
        var newPositions = layout.PositionTensor(q.device); // (B, L)
        var newDocuments = layout.SegmentTensor(q.device);
        var before = count;
        Append(k, v, newPositions, newDocuments);
        Position += length;
        var allKeys = keys.narrow(2, 0, count);
        var allValues = values.narrow(2, 0, count);
        if (is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad))
        {
            // The buffer is written in place later, so what backward will read is a copy with this call's graph.
            allKeys = cat([keys.narrow(2, 0, before), k], 2);
            allValues = cat([values.narrow(2, 0, before), v], 2);
        }
        return new AttentionInput(
            q,
            allKeys,
            allValues,
            newPositions,
            positions.narrow(1, 0, count),
            layout.IsUniform ? null : newDocuments,
            layout.IsUniform ? null : documents.narrow(1, 0, count),
            encoding);
    }

    /// <summary>Drops what the mask hides from every later query, once enough has gathered to pay for the copy.</summary>
    internal void Trim()
    {
        if (!mask.Forgets || count < dropAt)
            return;
        using var scope = NewDisposeScope();
        var next = tensor(cursor.Counts.ToArray(), [cursor.Batch, 1], device: keys.device);
        var current = tensor(cursor.Documents.ToArray(), [cursor.Batch, 1], device: keys.device);
        var heldDocuments = documents.narrow(1, 0, count);
        var held = positions.narrow(1, 0, count); // (B, M)
        var useful = heldDocuments.eq(current);
        if (mask.Visible(next, held) is { } visible)
            useful = useful.logical_and(visible.squeeze(1));
        var flags = useful.cpu().contiguous().data<bool>().ToArray();
        var (batch, width) = ((int)cursor.Batch, (int)count);
        var kept = 0;
        for (var row = 0; row < batch; row++)
            kept = Math.Max(kept, flags.AsSpan(row * width, width).Count(true));
        if (kept < width)
            Select(flags, batch, width, kept);
        dropAt = kept + Math.Max(SpareSlots, kept / 4);
    }

    private void Select(bool[] flags, int batch, int width, int kept)
    {
        var slots = new long[batch * kept];
        var hidden = new bool[batch * kept];
        for (var row = 0; row < batch; row++)
        {
            var target = row * kept;
            for (var slot = 0; slot < width; slot++)
            {
                if (flags[row * width + slot])
                    slots[target++] = slot;
            }
            hidden.AsSpan(target, (row + 1) * kept - target).Fill(true);
        }
        var index = tensor(slots, [batch, kept], device: keys.device);
        var wide = index.view(batch, 1, kept, 1).expand(batch, keys.size(1), kept, keys.size(3));
        Keep(ref keys, keys.gather(2, wide));
        Keep(ref values, values.gather(2, wide));
        Keep(ref positions, positions.gather(1, index));
        Keep(ref documents, documents.gather(1, index).masked_fill(tensor(hidden, [batch, kept], device: keys.device), -1L));
        count = kept;
    }

    // The cache takes the dtype and the device of what it is given, so a model that was moved after it was built streams too.
    private void Adopt(Tensor k)
    {
        if (!keys.shape.Where((_, axis) => axis != 2).SequenceEqual(k.shape.Where((_, axis) => axis != 2)))
            throw new ArgumentException($"The state holds keys of ({keys.size(0)}, {keys.size(1)}, ..., {keys.size(3)}) and the call brings ({string.Join(", ", k.shape)}).", nameof(k));
        if (keys.dtype == k.dtype && keys.device == k.device)
            return;
        if (count > 0 && keys.dtype != k.dtype)
            throw new ArgumentException($"The state holds keys in {keys.dtype} and the model now computes in {k.dtype}; start a new state.", nameof(k));
        Keep(ref keys, keys.to(k.dtype, k.device));
        Keep(ref values, values.to(k.dtype, k.device));
        Keep(ref positions, positions.to(k.device));
        Keep(ref documents, documents.to(k.device));
    }

    private void Append(Tensor k, Tensor v, Tensor newPositions, Tensor newDocuments)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var needed = count + k.size(2);
        if (needed > keys.size(2))
        {
            var capacity = Math.Max(needed, Math.Min(2 * needed, needed + 4096));
            keys = Grow(keys, 2, capacity);
            values = Grow(values, 2, capacity);
            positions = Grow(positions, 1, capacity);
            documents = Grow(documents, 1, capacity);
        }
        keys.narrow(2, count, k.size(2)).copy_(k);
        values.narrow(2, count, k.size(2)).copy_(v);
        positions.narrow(1, count, k.size(2)).copy_(newPositions);
        documents.narrow(1, count, k.size(2)).copy_(newDocuments);
        count = needed;
    }

    private Tensor Grow(Tensor buffer, int axis, long capacity)
    {
        var shape = buffer.shape;
        shape[axis] = capacity;
        var grown = empty(shape, buffer.dtype, buffer.device).DetachFromDisposeScope();
        grown.narrow(axis, 0, count).copy_(buffer.narrow(axis, 0, count));
        buffer.Dispose();
        return grown;
    }

    private void Forget()
    {
        foreach (var view in exposed.Values)
            view.Dispose();
        exposed.Clear();
    }
}
