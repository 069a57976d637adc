using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The carried state of a whole model: its layers' states, whatever their kinds, under one roof.</summary>
public sealed partial class ModelState : MixerState, ICursorState
{
    private const string CursorName = "cursor";

    private readonly MixerState[] layers;
    private Tensor? exposedCursor;
    private bool isTorn;

    internal ModelState(ModelPlan plan, MixerState[] layers, DocumentCursor cursor, long position = 0)
    {
        Plan = plan;
        this.layers = layers;
        Cursor = cursor;
        Position = position;
    }

    /// <summary>Makes several states, or none when one fails.</summary>
    internal static MixerState[] Together(IReadOnlyList<Func<MixerState>> makers)
    {
        var made = new List<MixerState>();
        try
        {
            foreach (var make in makers)
                made.Add(make() ?? throw new InvalidOperationException($"The block of layer {made.Count} made no state (null); {nameof(IBlock.NewState)} makes one, or throws."));
        }
        catch
        {
            foreach (var state in made)
                state.Dispose();
            throw;
        }
        return [.. made];
    }

    /// <summary>The plan of the model that made it.</summary>
    internal ModelPlan Plan { get; }

    internal DocumentCursor Cursor { get; set; }

    DocumentCursor ICursorState.Cursor { get => Cursor; set => Cursor = value; }

    /// <summary>The states of the layers, in their order.</summary>
    public IReadOnlyList<MixerState> Layers => layers;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, Tensor> Tensors
    {
        get
        {
            exposedCursor?.Dispose();
            exposedCursor = tensor(Cursor.ToArray()).DetachFromDisposeScope();
            var all = new Dictionary<string, Tensor> { [CursorName] = exposedCursor };
            for (var layer = 0; layer < layers.Length; layer++)
            {
                foreach (var (name, value) in layers[layer].Tensors)
                    all[$"layers.{layer}.{name}"] = value;
            }
            return all;
        }
    }

    /// <inheritdoc/>
    public override MixerState Fork(Tensor rows)
    {
        CheckWhole();
        var chosen = Cursor.ReadRows(rows, nameof(LanguageModel));
        return new ModelState(Plan, Together([.. layers.Select(layer => (Func<MixerState>)(() => layer.Fork(rows)))]), Cursor.Fork(chosen), Position);
    }

    /// <inheritdoc/>
    public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        if (!tensors.TryGetValue(CursorName, out var cursor))
            throw new ArgumentException($"The saved model state lacks '{CursorName}'.", nameof(tensors));
        var restored = DocumentCursor.FromArray(HostValues.Read(cursor), Cursor.Batch);
        var parts = layers.Select(_ => new Dictionary<string, Tensor>(StringComparer.Ordinal)).ToArray();
        foreach (var (name, value) in tensors.Where(pair => pair.Key != CursorName))
        {
            var words = name.Split('.', 3);
            if (words is not ["layers", var number, var part] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var layer) || layer >= layers.Length)
                throw new ArgumentException($"The saved model state holds '{name}', which a model of {layers.Length} layers does not.", nameof(tensors));
            parts[layer][part] = value;
        }
        isTorn = true; // until every layer has taken its part
        for (var layer = 0; layer < layers.Length; layer++)
        {
            try
            {
                layers[layer].Restore(parts[layer], position);
            }
            catch (ArgumentException error)
            {
                throw new ArgumentException($"layers.{layer}: {error.Message}", error);
            }
        }
        Cursor = restored;
        Position = position;
        isTorn = false;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        exposedCursor?.Dispose();
        foreach (var layer in layers)
            layer.Dispose();
    }

    internal void Advance(long columns) => Position += columns;

    /// <summary>Refuses a state that a failed call left part-way.</summary>
    internal void CheckWhole()
    {
        if (isTorn)
            throw new InvalidOperationException("A call or a restoration that failed left this state part-way; go on from a fork taken before it, or from a new state.");
    }

    internal void MarkTorn() => isTorn = true;
}
