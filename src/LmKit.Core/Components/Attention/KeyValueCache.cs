using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Attention's carried state: keys, values, and each key's position and document.</summary>
/// <remarks>Rows are stored side by side in one buffer that grows by doubling. Rotary keys are held turned, each at its own position, so
/// that no later call turns them again: the tensor is then named <c>turned_keys</c> instead of <c>keys</c>. A mask that attends in a
/// way of its own, or that caps distances, gets keys before position encoding. A model in half precision that encodes positions holds
/// keys and values in float32, in which scores are computed. When the mask forgets, keys hidden from every later
/// query are dropped in batches, so the size stays bounded. A dropped or padded slot has document -1. A fork of the same rows shares keys and values with its
/// origin until one of the two reads on.</remarks>
public sealed partial class KeyValueCache : MixerState
{
    private const int SpareSlots = 32;

    private readonly IAttentionMask mask;
    private readonly PositionEncoding? encoding;
    private readonly CacheFormat format;
    private readonly string[] names;
    private readonly Dictionary<string, Tensor> exposed = [];
    private readonly SlotBuffers buffers; // keys and values (B, Hkv, capacity, P), and in int8 their scales (B, Hkv, capacity, 1)
    private DocumentCursor cursor;
    private KeySlots slots;
    private int dropAt = SpareSlots;

    internal KeyValueCache(IAttentionMask mask, PositionEncoding? encoding, long batch, long headCount, long headDim, CacheFormat format = CacheFormat.Full)
    {
        (this.mask, this.encoding, this.format) = (mask, encoding, format);
        HoldsEncodedKeys = encoding is { TurnsKeys: true } && (mask is IReachingMask || (mask is not IMaskedAttention && mask.DistanceCeiling is null));
        string[] numbers = [HoldsEncodedKeys ? "turned_keys" : "keys", "values"];
        names = [.. numbers, .. IsCoarse ? ["key_scales", "value_scales"] : Array.Empty<string>(), "positions", "documents", "cursor", "origin", "mask"];
        (cursor, origin) = (new DocumentCursor(batch), new DocumentCursor(batch));
        slots = new KeySlots(batch);
        buffers = IsCoarse
            ? new SlotBuffers(Empty(headDim, ScalarType.Int8), Empty(headDim, ScalarType.Int8), Empty(1, ScalarType.Float32), Empty(1, ScalarType.Float32))
            : new SlotBuffers(Empty(headDim, ScalarType.Float32), Empty(headDim, ScalarType.Float32));

        Tensor Empty(long width, ScalarType dtype) => empty([batch, headCount, 0, width], dtype);
    }

    private KeyValueCache(KeyValueCache source, Tensor rows, long[] chosen)
    {
        (mask, encoding, format, names, HoldsEncodedKeys) = (source.mask, source.encoding, source.format, source.names, source.HoldsEncodedKeys);
        var isSame = chosen.Length == source.cursor.Batch && chosen.Index().All(row => row.Item == row.Index);
        (cursor, origin) = (source.cursor.Fork(chosen), source.origin.Fork(chosen));
        buffers = isSame ? source.buffers.Share() : source.buffers.Copy(source.Count, rows);
        slots = isSame ? source.slots.Share() : source.slots.Fork(chosen);
        (dropAt, trail, reserved, takenBack, Position) = (source.dropAt, source.trail, source.reserved, source.takenBack, source.Position);
    }

    /// <summary>Whether keys are held as their encoding makes them.</summary>
    internal bool HoldsEncodedKeys { get; }

    /// <summary>Keys held per row, spare slots not counted.</summary>
    public long Count => slots.Count;

    /// <summary>Keys that the buffers have room for per row, spare slots included.</summary>
    internal long Capacity => buffers.Capacity;

    /// <summary>Bytes of the buffers of keys and values of all rows, spare slots included.</summary>
    internal long BufferBytes => Enumerable.Range(0, buffers.Count).Sum(index => buffers[index].numel() * buffers[index].element_size());

    /// <inheritdoc/>
    public override MixerState Fork(Tensor rows)
    {
        var chosen = cursor.ReadRows(rows, nameof(Attention));
        ObjectDisposedException.ThrowIf(buffers.IsInvalid, this);
        return new KeyValueCache(this, rows, chosen);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Forget();
        buffers.Dispose();
    }

    /// <summary>Takes new keys and values in and attends, in one pass over what is held; everything in the caller's scope.</summary>
    /// <param name="q">(B, L, H, P) before position encoding.</param>
    /// <param name="k">(B, L, Hkv, P), likewise.</param>
    /// <param name="v">(B, L, Hkv, P).</param>
    /// <param name="segments">As in <see cref="SequenceContext"/>.</param>
    /// <param name="softCap">The bound of the scores, or null.</param>
    /// <param name="sinks">A score (H) that joins every softmax, or null.</param>
    /// <returns>(B, L, H, P), or null where that way does not serve the call, which then changed nothing.</returns>
    internal Tensor? Step(Tensor q, Tensor k, Tensor v, Tensor? segments, double? softCap = null, Tensor? sinks = null)
    {
        Check(q, k, v);
        var own = OfCall(q, segments);
        if (!CachedAttention.IsServed(q, k, v, mask, own, sinks))
            return null;
        var layout = Begin(ref q, ref k, ref v, segments);
        if (IsCoarse)
        {
            AppendCoarse(k, v, layout, own);
        }
        else
        {
            buffers.Reserve(Count, k.size(1));
            Note(layout);
        }
        return CachedAttention.Cpu(q, k, v, buffers, slots, layout, ((IReachingMask)mask).Reach, own, softCap, sinks);
    }

    /// <summary>Takes new keys and values in and gives what the queries of the same columns attend to; everything in the caller's scope.</summary>
    /// <inheritdoc cref="Step"/>
    internal AttentionInput Extend(Tensor q, Tensor k, Tensor v, Tensor? segments, double? softCap = null, Tensor? sinks = null)
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
        var (allKeys, allValues) = (Read(0, Count), Read(1, Count));
        if (is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad))
        {
            // The buffer is written in place later, so what backward will read is a copy with this call's graph.
            allKeys = cat([Read(0, before), AsHeld(k)], 2);
            allValues = cat([Read(1, before), AsHeld(v)], 2);
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
        { HasEncodedKeys = HoldsEncodedKeys, SoftCap = softCap, Sinks = sinks };
    }

    // What an edit at a hook point made of them may be of any shape; the state is as it was when it is refused.
    internal static void Check(Tensor q, Tensor k, Tensor v)
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
        if ((encoding is not null || IsCoarse) && HalfPrecision.Is(k.dtype))
            (q, k, v) = (HalfPrecision.Widen(q), HalfPrecision.Widen(k), HalfPrecision.Widen(v));
        Adopt(k);
        var layout = SequenceLayout.Read(q.size(0), q.size(1), segments, cursor);
        Position += layout.Length;
        return layout;
    }

    // The cache takes the dtype and the device of what it is given, so a model that was moved after it was built streams too.
    private void Adopt(Tensor k)
    {
        var keys = buffers[0];
        if (keys.size(0) != k.size(0) || keys.size(1) != k.size(2) || keys.size(3) != k.size(3))
            throw new ArgumentException($"The state holds {keys.size(0)} rows of {keys.size(1)} key heads, {keys.size(3)} wide; the call brings ({string.Join(", ", k.shape)}).", nameof(k));
        var held = buffers[IsCoarse ? 2 : 0].dtype;
        if (held == k.dtype && IsWith(keys, k))
            return;
        if (Count > 0 && held != k.dtype)
            throw new ArgumentException($"The state holds keys in {held} and the model now computes in {k.dtype}; start a new state.", nameof(k));
        buffers.Replace([.. Enumerable.Range(0, buffers.Count).Select(index => buffers[index].to(IsCoarse && index < 2 ? ScalarType.Int8 : k.dtype, k.device))]);
    }

    private void Append(Tensor k, Tensor v, SequenceLayout layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var before = Count;
        buffers.Reserve(before, k.size(2));
        foreach (var (index, part) in AsParts(k, v).Index())
            buffers[index].narrow(2, before, k.size(2)).copy_(part);
        Note(layout);
    }

    private void Forget()
    {
        foreach (var view in exposed.Values)
            view.Dispose();
        exposed.Clear();
    }
}
