using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>H3's carried state, of fixed size: the last N keys of every channel and the diagonal state of every head.</summary>
/// <remarks>The keys are raw, not filtered by the shift state space's B; <see cref="H3Mixer.PublishedShiftState"/> gives the
/// published form. Single-token calls without gradients keep step tables here, made from the parameters at the first of them and
/// dropped by any other call: parameters must not change in between.</remarks>
public sealed class H3State : MixerState
{
    private readonly string[] names = ["recent_keys", "diagonal", "cursor"];
    private readonly Dictionary<string, Tensor> exposed = [];
    private Tensor recent;
    private Tensor diagonal;
    private H3Step? step;

    internal H3State(long batch, long modelDim, long shiftDim, long headDim, long stateDim, ScalarType dtype, Device device)
    {
        Cursor = new DocumentCursor(batch);
        recent = zeros([batch, modelDim, shiftDim], dtype, device).DetachFromDisposeScope();
        diagonal = zeros([batch, headDim, headDim, modelDim / headDim, stateDim / 2, 2], dtype, device).DetachFromDisposeScope();
    }

    private H3State(H3State source, Tensor rows)
    {
        using var scope = NewDisposeScope();
        using var host = rows.cpu().to(ScalarType.Int64).contiguous();
        Cursor = source.Cursor.Fork(host.data<long>().ToArray());
        var index = rows.to(source.recent.device);
        recent = source.recent.index_select(0, index).DetachFromDisposeScope();
        diagonal = source.diagonal.index_select(0, index).DetachFromDisposeScope();
        Position = source.Position;
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, Tensor> Tensors
    {
        get
        {
            Forget();
            exposed["recent_keys"] = recent.alias().DetachFromDisposeScope();
            exposed["diagonal"] = diagonal.alias().DetachFromDisposeScope();
            exposed["cursor"] = tensor(Cursor.ToArray()).DetachFromDisposeScope();
            return exposed;
        }
    }

    internal DocumentCursor Cursor { get; private set; }

    internal H3Carry Carry => new(recent, diagonal);

    /// <inheritdoc/>
    public override MixerState Fork(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return new H3State(this, rows);
    }

    /// <inheritdoc/>
    public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        foreach (var name in names.Where(name => !tensors.ContainsKey(name)))
            throw new ArgumentException($"The saved H3 state lacks '{name}'.", nameof(tensors));
        CheckShape("recent_keys", recent, tensors);
        CheckShape("diagonal", diagonal, tensors);
        using var scope = NewDisposeScope();
        Cursor = DocumentCursor.FromArray(tensors["cursor"].cpu().to(ScalarType.Int64).contiguous().data<long>().ToArray(), recent.size(0));
        Set(new H3Carry(tensors["recent_keys"].to(recent.dtype, recent.device).clone(), tensors["diagonal"].to(diagonal.dtype, diagonal.device).clone()));
        Position = position;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Forget();
        DropStep();
        recent.Dispose();
        diagonal.Dispose();
    }

    internal void MovePast(long columns) => Position += columns;

    internal void Set(H3Carry carry)
    {
        Keep(ref recent, carry.Recent);
        Keep(ref diagonal, carry.Diagonal);
    }

    internal H3Step Step(Func<H3Step> make) => step ??= make();

    internal void DropStep()
    {
        step?.Dispose();
        step = null;
    }

    private static void CheckShape(string name, Tensor held, IReadOnlyDictionary<string, Tensor> saved)
    {
        if (!saved[name].shape.SequenceEqual(held.shape))
            throw new ArgumentException($"The saved '{name}' ({string.Join(", ", saved[name].shape)}) does not fit a state of ({string.Join(", ", held.shape)}).", nameof(saved));
    }

    private void Forget()
    {
        foreach (var view in exposed.Values)
            view.Dispose();
        exposed.Clear();
    }
}
