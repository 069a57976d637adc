using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The carried state of this package's mixers: a few tensors of fixed size per row, and where each row stands.</summary>
/// <remarks>Made by a mixer's <see cref="IMixer.NewState"/>. A row's tensors are those after its last valid token.</remarks>
public class RecurrentState : MixerState
{
    private const string CursorName = "cursor";

    private readonly string[] names;
    private readonly Tensor[] parts;
    private readonly Dictionary<string, Tensor> exposed = [];
    private bool isAlone; // nothing else reads the parts' memory

    /// <summary>Rows at the start of their sequences.</summary>
    internal RecurrentState(string owner, string[] names, long[][] shapes, long batch, ScalarType dtype, Device device)
        : this(owner, names, shapes, new DocumentCursor(batch), dtype, device)
    {
    }

    // The cursor first: it checks the number of rows.
    private RecurrentState(string owner, string[] names, long[][] shapes, DocumentCursor cursor, ScalarType dtype, Device device)
        : this(owner, names, [.. shapes.Select(shape => zeros([cursor.Batch, .. shape], dtype, device))], cursor, 0)
    {
    }

    internal RecurrentState(string owner, string[] names, Tensor[] parts, DocumentCursor cursor, long position)
    {
        Owner = owner;
        this.names = names;
        this.parts = [.. parts.Select(part => part.DetachFromDisposeScope())];
        Cursor = cursor;
        Position = position;
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, Tensor> Tensors
    {
        get
        {
            Forget();
            isAlone = false;
            for (var index = 0; index < parts.Length; index++)
                exposed[names[index]] = parts[index].alias().DetachFromDisposeScope();
            exposed[CursorName] = tensor(Cursor.ToArray()).DetachFromDisposeScope();
            return exposed;
        }
    }

    /// <summary>The mixer that it belongs to.</summary>
    internal string Owner { get; }

    internal DocumentCursor Cursor { get; private set; }

    internal Tensor[] Carry => [.. parts];

    /// <inheritdoc/>
    public override MixerState Fork(Tensor rows)
    {
        var chosen = Cursor.ReadRows(rows, Owner);
        ObjectDisposedException.ThrowIf(parts[0].IsInvalid, this);
        using var scope = NewDisposeScope();
        var index = rows.to(parts[0].device);
        return Copy([.. parts.Select(part => part.index_select(0, index))], Cursor.Fork(chosen));
    }

    /// <inheritdoc/>
    public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ObjectDisposedException.ThrowIf(parts[0].IsInvalid, this);
        foreach (var name in names.Append(CursorName).Where(name => !tensors.ContainsKey(name)))
            throw new ArgumentException($"The saved {GetType().Name} lacks '{name}'.", nameof(tensors));
        foreach (var name in tensors.Keys.Except(names.Append(CursorName)))
            throw new ArgumentException($"The saved state holds '{name}', which a {GetType().Name} of {Owner} does not.", nameof(tensors));
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        using var scope = NewDisposeScope();
        foreach (var (name, part) in names.Zip(parts))
        {
            TensorCheck.CheckValues(tensors[name], name, Owner);
            if (!tensors[name].shape.SequenceEqual(part.shape))
                throw new ArgumentException($"The saved '{name}' ({string.Join(", ", tensors[name].shape)}) does not fit a state of ({string.Join(", ", part.shape)}).", nameof(tensors));
            if (!tensors[name].is_floating_point() || !tensors[name].isfinite().all().item<bool>())
                throw new ArgumentException($"The saved '{name}' ({tensors[name].dtype}) is not made of finite numbers.", nameof(tensors));
        }
        TensorCheck.CheckAlive(tensors[CursorName], CursorName, Owner);
        Cursor = DocumentCursor.FromArray(HostValues.Read(tensors[CursorName]), Cursor.Batch);
        Set([.. names.Zip(parts, (name, part) => tensors[name].to(part.dtype, part.device).clone())]);
        Position = position;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Forget();
        foreach (var part in parts)
            part.Dispose();
        GC.SuppressFinalize(this);
    }

    internal void MovePast(long columns) => Position += columns;

    internal void Set(Tensor[] carry)
    {
        for (var index = 0; index < parts.Length; index++)
        {
            if (ReferenceEquals(parts[index], carry[index]))
                continue;
            Keep(ref parts[index], carry[index]);
            isAlone = false;
        }
    }

    /// <summary>What a step may write in place: contiguous memory that nothing else reads.</summary>
    /// <param name="carry">What the step begins with: the state's own tensors, or others made for this step, which are given back.</param>
    internal Tensor[] Own(Tensor[] carry)
    {
        if (!ReferenceEquals(carry[0], parts[0]))
            return [.. carry.Select(part => part.is_contiguous() ? part : part.contiguous())];
        if (isAlone)
            return parts;
        for (var index = 0; index < parts.Length; index++)
            Keep(ref parts[index], parts[index].clone().contiguous());
        isAlone = true;
        return parts;
    }

    private protected virtual RecurrentState Copy(Tensor[] copies, DocumentCursor cursor) => new(Owner, names, copies, cursor, Position);

    private void Forget()
    {
        foreach (var view in exposed.Values)
            view.Dispose();
        exposed.Clear();
    }
}
