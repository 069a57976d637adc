using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What attention under an eviction mask carries: the keys that stayed, their values and positions, for each key head its own.</summary>
/// <remarks>Keys are held as their encoding makes them. A row that holds fewer than another ends with slots of position -1. Its tensors are never
/// written in place, so a fork of the same rows shares them.</remarks>
internal sealed class EvictionState : MixerState, IAttendingState
{
    private readonly string mask;
    private readonly EvictionMaskOptions options;
    private readonly PositionEncoding? encoding;
    private readonly string keyName;
    private readonly Dictionary<string, Tensor> exposed = [];
    private DocumentCursor cursor;
    private Tensor keys;      // (B, Hkv, M, P)
    private Tensor values;    // the same
    private Tensor positions; // (B, Hkv, M) int64

    internal EvictionState(string mask, EvictionMaskOptions options, PositionEncoding? encoding, long batch, long keyHeads, long headDim)
    {
        if (encoding is { DependsOnLength: true })
            throw new NotSupportedException($"The angles of {encoding} depend on the length of the text, and {mask} holds keys turned once and for all; take another mask or other positions.");
        (this.mask, this.options, this.encoding) = (mask, options, encoding);
        keyName = encoding is { TurnsKeys: true } ? "turned_keys" : "keys";
        cursor = new DocumentCursor(batch);
        keys = zeros(batch, keyHeads, 0, headDim).DetachFromDisposeScope();
        values = zeros(batch, keyHeads, 0, headDim).DetachFromDisposeScope();
        positions = zeros([batch, keyHeads, 0], ScalarType.Int64).DetachFromDisposeScope();
    }

    private EvictionState(EvictionState source, DocumentCursor cursor, Func<Tensor, Tensor> copy)
    {
        (mask, options, encoding, keyName, Position) = (source.mask, source.options, source.encoding, source.keyName, source.Position);
        this.cursor = cursor;
        (keys, values, positions) = (Own(source.keys), Own(source.values), Own(source.positions));

        Tensor Own(Tensor tensor) => copy(tensor).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, Tensor> Tensors
    {
        get
        {
            Forget();
            exposed[keyName] = keys.alias().DetachFromDisposeScope();
            exposed["values"] = values.alias().DetachFromDisposeScope();
            exposed["positions"] = positions.alias().DetachFromDisposeScope();
            exposed["cursor"] = tensor(cursor.ToArray()).DetachFromDisposeScope();
            exposed["mask"] = tensor(Encoding.UTF8.GetBytes(mask)).DetachFromDisposeScope();
            return exposed;
        }
    }

    /// <inheritdoc/>
    public Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? segments, double? softCap)
    {
        KeyValueCache.Check(q, k, v);
        if (keys.size(0) != k.size(0) || keys.size(1) != k.size(2) || keys.size(3) != k.size(3))
            throw new ArgumentException($"The state holds {keys.size(0)} rows of {keys.size(1)} key heads, {keys.size(3)} wide; the call brings ({string.Join(", ", k.shape)}).", nameof(k));
        if (encoding is not null)
            (q, k, v) = (HalfPrecision.Widen(q), HalfPrecision.Widen(k), HalfPrecision.Widen(v));
        if (keys.size(2) > 0 && keys.dtype != k.dtype)
            throw new ArgumentException($"The state holds keys in {keys.dtype} and the model now computes in {k.dtype}; start a new state.", nameof(k));
        var moved = cursor.Copy();
        var layout = SequenceLayout.Read(q.size(0), q.size(1), segments, moved);
        if (q.size(0) == 0 || q.size(1) == 0)
        {
            (cursor, Position) = (moved, Position + q.size(1));
            return zeros_like(q);
        }
        var documents = layout.IsUniform ? null : new long[layout.Batch * layout.Length];
        for (var index = 0L; index < documents?.Length; index++)
            documents[index] = layout.Segment(index / layout.Length, index % layout.Length);
        var held = new KeptKeys(keys.to(k.dtype, k.device), values.to(k.dtype, k.device), positions.to(k.device), cursor.Counts[0]);
        var call = new EvictionCall(options, encoding, softCap);
        var (attended, left) = call.Attend(held, documents is null ? null : Rows(), q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), documents);
        Forget();
        Take(left);
        (cursor, Position) = (moved, Position + q.size(1));
        return attended.transpose(1, 2);
    }

    /// <inheritdoc/>
    public override MixerState Fork(Tensor rows)
    {
        var chosen = cursor.ReadRows(rows, nameof(EvictionMask));
        ObjectDisposedException.ThrowIf(keys.IsInvalid, this);
        if (chosen.Length == cursor.Batch && chosen.Index().All(row => row.Item == row.Index))
            return new EvictionState(this, cursor.Fork(chosen), tensor => tensor.alias());
        using var index = rows.to(keys.device);
        return new EvictionState(this, cursor.Fork(chosen), tensor => tensor.index_select(0, index));
    }

    /// <inheritdoc/>
    public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ObjectDisposedException.ThrowIf(keys.IsInvalid, this);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        string[] names = [keyName, "values", "positions", "cursor", "mask"];
        foreach (var name in names.Where(name => !tensors.ContainsKey(name)))
            throw new ArgumentException($"The saved keys of {mask} lack '{name}'.", nameof(tensors));
        foreach (var name in tensors.Keys.Except(names))
            throw new ArgumentException($"The saved state holds '{name}', which one of {mask} does not.", nameof(tensors));
        using var scope = NewDisposeScope();
        Check(tensors);
        var restored = DocumentCursor.FromArray(HostValues.Read(tensors["cursor"]), cursor.Batch);
        CheckPositions(HostValues.Read(tensors["positions"]), restored);
        var (restoredKeys, restoredValues, restoredPositions) = (tensors[keyName].clone(), tensors["values"].clone(), tensors["positions"].to(ScalarType.Int64).clone());
        Forget();
        Keep(ref keys, restoredKeys);
        Keep(ref values, restoredValues);
        Keep(ref positions, restoredPositions);
        (cursor, Position) = (restored, position);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Forget();
        keys.Dispose();
        values.Dispose();
        positions.Dispose();
    }

    private protected override NotSupportedException Refusal() =>
        new($"An {nameof(EvictionState)} cannot be rolled back: keys that {mask} dropped are gone. Fork the state before a draft, and go on from the fork.");

    // Where the rows stand; the slots in use are the first ones.
    private EvictionRow[] Rows()
    {
        using var scope = NewDisposeScope();
        var lengths = HostValues.Read(positions.select(1, 0).ge(0).sum(-1));
        return [.. lengths.Select((length, row) => new EvictionRow(cursor.Documents[row], cursor.Counts[row], length))];
    }

    private void Take(KeptKeys[] left)
    {
        using var scope = NewDisposeScope();
        var width = left.Max(row => row.Length);
        Keep(ref keys, cat([.. left.Select(row => Padded(row.Keys, 0))], 0).contiguous());
        Keep(ref values, cat([.. left.Select(row => Padded(row.Values, 0))], 0).contiguous());
        Keep(ref positions, cat([.. left.Select(row => Padded(row.Positions, -1))], 0).contiguous());

        Tensor Padded(Tensor part, double filling)
        {
            var shape = part.shape;
            shape[2] = width - shape[2];
            return shape[2] == 0 ? part.detach() : cat([part.detach(), full(shape, filling, part.dtype, part.device)], 2);
        }
    }

    private void Check(IReadOnlyDictionary<string, Tensor> tensors)
    {
        foreach (var (name, saved) in tensors)
            TensorCheck.CheckValues(saved, name, nameof(EvictionState));
        var width = tensors[keyName].dim() == 4 ? tensors[keyName].size(2) : -1;
        foreach (var (name, shape) in new[] { (keyName, new[] { keys.size(0), keys.size(1), width, keys.size(3) }), ("values", [keys.size(0), keys.size(1), width, keys.size(3)]), ("positions", [keys.size(0), keys.size(1), width]) })
        {
            if (!tensors[name].shape.SequenceEqual(shape))
                throw new ArgumentException($"The saved {name} ({string.Join(", ", tensors[name].shape)}) do not fit a state of ({string.Join(", ", shape)}).", nameof(tensors));
        }
        foreach (var name in new[] { keyName, "values" })
        {
            if (!tensors[name].is_floating_point() || tensors[name].dtype != tensors[keyName].dtype || !tensors[name].isfinite().all().item<bool>())
                throw new ArgumentException($"The saved {name} ({tensors[name].dtype}) are not finite numbers of one floating dtype.", nameof(tensors));
        }
        if (tensors["mask"].dtype != ScalarType.Byte || tensors["mask"].dim() != 1)
            throw new ArgumentException($"The saved mask ({tensors["mask"].dtype}) is not the name of one.", nameof(tensors));
        var savedMask = Encoding.UTF8.GetString(tensors["mask"].cpu().contiguous().data<byte>().ToArray());
        if (savedMask != mask)
            throw new ArgumentException($"The saved keys are of the mask {savedMask} and this state of {mask}, which keeps other ones; keys go on under the mask that kept them, else read the text again.", nameof(tensors));
    }

    // In each head they ascend below the row's count, and every head of a row has as many; unused slots come last.
    private void CheckPositions(long[] saved, DocumentCursor restored)
    {
        var heads = keys.size(1);
        var width = restored.Batch == 0 ? 0 : saved.Length / (int)(restored.Batch * heads);
        for (var row = 0; row < restored.Batch; row++)
        {
            var used = -1;
            for (var head = 0; head < heads; head++)
            {
                var own = saved.AsSpan((int)((row * heads) + head) * width, width);
                var length = own.IndexOf(-1L) is var end && end < 0 ? width : end;
                used = used < 0 ? length : used;
                if (length != used || own[length..].ContainsAnyExcept(-1L))
                    throw new ArgumentException($"The saved positions of row {row}, head {head}, fill {length} slots, and the row's first head {used}; unused slots come last and are -1.", nameof(saved));
                for (var slot = 0; slot < length; slot++)
                {
                    if (own[slot] < 0 || own[slot] >= restored.Counts[row] || (slot > 0 && own[slot] <= own[slot - 1]))
                        throw new ArgumentException($"The saved positions of row {row}, head {head}, hold {own[slot]} at slot {slot}; they ascend from 0 to below the {restored.Counts[row]} tokens read.", nameof(saved));
                }
            }
        }
    }

    private void Forget()
    {
        foreach (var view in exposed.Values)
            view.Dispose();
        exposed.Clear();
    }
}
