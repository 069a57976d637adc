using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Attention's carried state: keys, values, and each key's position and document.</summary>
/// <remarks>Rows are stored side by side in one buffer that grows by doubling. Rotary keys are held turned, each at its own position, so
/// that no later call turns them again: the tensor is then named <c>turned_keys</c> instead of <c>keys</c>. A mask that attends in a
/// way of its own, or that caps distances, gets keys before position encoding. A model in half precision that encodes positions holds
/// keys and values in float32, in which scores are computed. When the mask forgets, keys hidden from every later
/// query are dropped in batches, so the size stays bounded. A dropped or padded slot has document -1.</remarks>
public sealed partial class KeyValueCache : MixerState
{
    private const int SpareSlots = 32;

    private readonly IAttentionMask mask;
    private readonly PositionEncoding? encoding;
    private readonly string[] names;
    private readonly Dictionary<string, Tensor> exposed = [];
    private DocumentCursor cursor;
    private KeySlots slots;
    private Tensor keys;   // (B, Hkv, capacity, P)
    private Tensor values; // the same
    private int dropAt = SpareSlots;

    internal KeyValueCache(IAttentionMask mask, PositionEncoding? encoding, long batch, long headCount, long headDim)
    {
        this.mask = mask;
        this.encoding = encoding;
        HoldsEncodedKeys = encoding is { TurnsKeys: true } && (mask is IReachingMask || (mask is not IMaskedAttention && mask.DistanceCeiling is null));
        names = [HoldsEncodedKeys ? "turned_keys" : "keys", "values", "positions", "documents", "cursor"];
        cursor = new DocumentCursor(batch);
        slots = new KeySlots(batch);
        keys = empty(batch, headCount, 0, headDim).DetachFromDisposeScope();
        values = empty(batch, headCount, 0, headDim).DetachFromDisposeScope();
    }

    private KeyValueCache(KeyValueCache source, Tensor rows, long[] chosen)
    {
        (mask, encoding, names, HoldsEncodedKeys) = (source.mask, source.encoding, source.names, source.HoldsEncodedKeys);
        using var scope = NewDisposeScope();
        cursor = source.cursor.Fork(chosen);
        slots = source.slots.Fork(chosen);
        var index = rows.to(source.keys.device);
        Tensor Copy(Tensor buffer) => buffer.narrow(2, 0, source.Count).index_select(0, index).DetachFromDisposeScope();
        (keys, values) = (Copy(source.keys), Copy(source.values));
        (dropAt, Position) = (source.dropAt, source.Position);
    }

    /// <summary>Whether keys are held as their encoding makes them.</summary>
    internal bool HoldsEncodedKeys { get; }

    /// <summary>Keys held per row, spare slots not counted.</summary>
    public long Count => slots.Count;

    /// <summary>Keys that the buffers have room for per row, spare slots included.</summary>
    internal long Capacity => keys.size(2);

    /// <summary>Bytes of the buffers of keys and values of all rows, spare slots included.</summary>
    internal long BufferBytes => keys.numel() * keys.element_size() + values.numel() * values.element_size();

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, Tensor> Tensors
    {
        get
        {
            Forget();
            exposed[names[0]] = keys.narrow(2, 0, Count).DetachFromDisposeScope();
            exposed["values"] = values.narrow(2, 0, Count).DetachFromDisposeScope();
            exposed["positions"] = slots.PositionTensor(keys.device).DetachFromDisposeScope();
            exposed["documents"] = slots.DocumentTensor(keys.device).DetachFromDisposeScope();
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
            throw new ArgumentException($"The saved key-value cache lacks '{name}'{(name == "turned_keys" ? "; it is of an earlier version, or of other positions: read the text again" : "")}.", nameof(tensors));
        foreach (var name in tensors.Keys.Except(names))
            throw new ArgumentException($"The saved state holds '{name}', which a {nameof(KeyValueCache)} does not.", nameof(tensors));
        using var scope = NewDisposeScope();
        var batch = keys.size(0);
        var given = tensors[names[0]];
        var held = given.dim() == 4 ? given.size(2) : -1;
        long[] wide = [batch, keys.size(1), held, keys.size(3)];
        Check(names[0], wide);
        Check("values", wide);
        Check("positions", [batch, held]);
        Check("documents", [batch, held]);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        foreach (var name in names[..2])
        {
            if (!tensors[name].is_floating_point() || tensors[name].dtype != given.dtype || !tensors[name].isfinite().all().item<bool>())
                throw new ArgumentException($"The saved {name} ({tensors[name].dtype}) are not finite numbers of one floating dtype.", nameof(tensors));
        }
        foreach (var name in names[2..])
        {
            if (!tensors[name].is_integral())
                throw new ArgumentException($"The saved {name} ({tensors[name].dtype}) are not whole numbers.", nameof(tensors));
        }
        var (positions, documents) = (HostValues.Read(tensors["positions"]), HostValues.Read(tensors["documents"]));
        if (positions.Any(value => value < 0) || documents.Any(value => value < -1))
            throw new ArgumentException("The saved positions or documents are negative; a position is 0 or more, a document -1 for padding or more.", nameof(tensors));
        var restored = DocumentCursor.FromArray(HostValues.Read(tensors["cursor"]), batch);
        var restoredSlots = KeySlots.FromArrays(positions, documents, restored);
        // Copied before anything is let go: what is given may be this state's own.
        var (restoredKeys, restoredValues) = (given.contiguous().clone(), tensors["values"].contiguous().clone());
        Forget();
        (slots, cursor) = (restoredSlots, restored);
        Keep(ref keys, restoredKeys);
        Keep(ref values, restoredValues);
        dropAt = slots.Count + SpareSlots;
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
    }

    /// <summary>Takes new keys and values in and attends, in one pass over what is held; everything in the caller's scope.</summary>
    /// <param name="q">(B, L, H, P) before position encoding.</param>
    /// <param name="k">(B, L, Hkv, P), likewise.</param>
    /// <param name="v">(B, L, Hkv, P).</param>
    /// <param name="segments">As in <see cref="SequenceContext"/>.</param>
    /// <param name="softCap">The bound of the scores, or null.</param>
    /// <returns>(B, L, H, P), or null where that way does not serve the call, which then changed nothing.</returns>
    internal Tensor? Step(Tensor q, Tensor k, Tensor v, Tensor? segments, double? softCap = null)
    {
        Check(q, k, v);
        var own = OfCall(q, segments);
        if (!CachedAttention.IsServed(q, k, v, mask, own))
            return null;
        var layout = Begin(ref q, ref k, ref v, segments);
        Reserve(k.size(1));
        slots.Append(layout);
        return CachedAttention.Cpu(q, k, v, keys, values, slots, layout, ((IReachingMask)mask).Reach, own, softCap);
    }

    /// <summary>Takes new keys and values in and gives what the queries of the same columns attend to; everything in the caller's scope.</summary>
    /// <inheritdoc cref="Step"/>
    internal AttentionInput Extend(Tensor q, Tensor k, Tensor v, Tensor? segments, double? softCap = null)
    {
        Check(q, k, v);
        var own = OfCall(q, segments);
        var layout = Begin(ref q, ref k, ref v, segments);
        (q, k, v) = (q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2));
        var newPositions = layout.PositionTensor(q.device); // (B, L)
        if (HoldsEncodedKeys)
            k = own!.EncodeKeys(k, newPositions);
        var before = Count;
        Append(k, v, layout);
        var allKeys = keys.narrow(2, 0, Count);
        var allValues = values.narrow(2, 0, Count);
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
            slots.PositionTensor(q.device),
            layout.IsUniform ? null : layout.SegmentTensor(q.device),
            layout.IsUniform ? null : slots.DocumentTensor(q.device),
            own)
        { HasEncodedKeys = HoldsEncodedKeys, SoftCap = softCap };
    }

    // What an edit at a hook point made of them may be of any shape; the state is as it was when it is refused.
    private static void Check(Tensor q, Tensor k, Tensor v)
    {
        if (q.dim() == 4 && k.dim() == 4 && v.shape.AsSpan().SequenceEqual(k.shape) && k.size(0) == q.size(0) && k.size(1) == q.size(1) && k.size(3) == q.size(3)
            && k.size(2) > 0 && q.size(2) % k.size(2) == 0 && k.dtype == q.dtype && v.dtype == q.dtype && IsWith(k, q) && IsWith(v, q))
        {
            return;
        }
        throw new ArgumentException(
            $"{nameof(Attention)} takes queries (B, L, H, P), keys and values (B, L, Hkv, P) of one dtype on one device; got queries ({string.Join(", ", q.shape)}) {q.dtype}, "
            + $"keys ({string.Join(", ", k.shape)}) {k.dtype} and values ({string.Join(", ", v.shape)}) {v.dtype}. An edit at a hook point keeps shape, dtype and device.");
    }

    // A device is an object of its own in each answer, which == would compare.
    private static bool IsWith(Tensor one, Tensor other) => one.device_type == other.device_type && one.device_index == other.device_index;

    // The encoding of the call's texts, told before anything of the state moves.
    private PositionEncoding? OfCall(Tensor q, Tensor? segments) => encoding is { DependsOnLength: true } && cursor.Batch == q.size(0)
        ? SequenceLayout.Read(q.size(0), q.size(1), segments, cursor.Copy()).EncodingOf(encoding)
        : encoding;

    // Checks what a call brings, moves the cursor past it and widens it as the cache does.
    private SequenceLayout Begin(ref Tensor q, ref Tensor k, ref Tensor v, Tensor? segments)
    {
        Forget();
        if (encoding is not null && HalfPrecision.Is(k.dtype))
            (q, k, v) = (HalfPrecision.Widen(q), HalfPrecision.Widen(k), HalfPrecision.Widen(v));
        Adopt(k);
        var layout = SequenceLayout.Read(q.size(0), q.size(1), segments, cursor);
        Position += layout.Length;
        return layout;
    }

    // The cache takes the dtype and the device of what it is given, so a model that was moved after it was built streams too.
    private void Adopt(Tensor k)
    {
        if (keys.size(0) != k.size(0) || keys.size(1) != k.size(2) || keys.size(3) != k.size(3))
            throw new ArgumentException($"The state holds {keys.size(0)} rows of {keys.size(1)} key heads, {keys.size(3)} wide; the call brings ({string.Join(", ", k.shape)}).", nameof(k));
        if (keys.dtype == k.dtype && IsWith(keys, k))
            return;
        if (Count > 0 && keys.dtype != k.dtype)
            throw new ArgumentException($"The state holds keys in {keys.dtype} and the model now computes in {k.dtype}; start a new state.", nameof(k));
        Keep(ref keys, keys.to(k.dtype, k.device));
        Keep(ref values, values.to(k.dtype, k.device));
    }

    private void Append(Tensor k, Tensor v, SequenceLayout layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var before = Count;
        Reserve(k.size(2));
        keys.narrow(2, before, k.size(2)).copy_(k);
        values.narrow(2, before, k.size(2)).copy_(v);
        slots.Append(layout);
    }

    // Makes room for more columns.
    private void Reserve(long length)
    {
        var needed = Count + length;
        if (needed <= keys.size(2))
            return;
        var capacity = Math.Max(needed, Math.Min(2 * needed, needed + 4096));
        Tensor? wider = null;
        try
        {
            wider = Grown(keys, capacity);
            var widerValues = Grown(values, capacity);
            keys.Dispose();
            values.Dispose();
            (keys, values, wider) = (wider, widerValues, null);
        }
        finally
        {
            wider?.Dispose(); // memory for one but not for both
        }
    }

    private Tensor Grown(Tensor buffer, long capacity)
    {
        var shape = buffer.shape;
        shape[2] = capacity;
        var grown = empty(shape, buffer.dtype, buffer.device).DetachFromDisposeScope();
        using var target = grown.narrow(2, 0, Count);
        using var source = buffer.narrow(2, 0, Count);
        target.copy_(source).Dispose();
        return grown;
    }

    private void Forget()
    {
        foreach (var view in exposed.Values)
            view.Dispose();
        exposed.Clear();
    }
}
