using static TorchSharp.torch;

namespace LmKit;

/// <summary>Edits of activations at hook points that each touch one row of a batch, so that requests in one batch can be steered apart.</summary>
/// <remarks>They belong to a request (<see cref="SampleRequest.Edits"/>, <see cref="SequenceContext.Edits"/>) and act in every call made for it:
/// on what is read of the prompt and on each step alike, behind the functions that are attached to the point. Rows without an edit stay
/// bit for bit. An edit treats each position by itself: where a text outgrows the length at which the model's angles change, this row's or another's,
/// what was read is read anew and passes the edit again, all positions at once. Not changed once made: adding gives a new one.</remarks>
public sealed class HookEdits
{
    private readonly (string Point, int Row, Func<Tensor, Tensor> Edit)[] edits;

    private HookEdits((string Point, int Row, Func<Tensor, Tensor> Edit)[] edits) => this.edits = edits;

    /// <summary>No edit.</summary>
    public static HookEdits None { get; } = new([]);

    /// <summary>The points that are edited.</summary>
    public IEnumerable<string> Points => edits.Select(edit => edit.Point).Distinct();

    /// <summary>Whether there is none.</summary>
    internal bool IsEmpty => edits.Length == 0;

    /// <summary>These edits and one more.</summary>
    /// <param name="point">The hook point's name, such as <c>layers.3.resid_post</c>.</param>
    /// <param name="row">The row of the batch, from 0.</param>
    /// <param name="edit">Sees the row's activation (1, L, ...), without its padding, and returns what the model goes on with, of the same shape.
    /// Runs on the thread of the call, inside the layer's dispose scope.</param>
    public HookEdits Add(string point, int row, Func<Tensor, Tensor> edit)
    {
        ArgumentException.ThrowIfNullOrEmpty(point);
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentNullException.ThrowIfNull(edit);
        return new([.. edits, (point, row, edit)]);
    }

    /// <summary>These edits and, behind them, others.</summary>
    internal HookEdits And(HookEdits others) => new([.. edits, .. others.edits]);

    /// <summary>Fails unless a model has the points and a batch the rows.</summary>
    /// <exception cref="ArgumentException">A point or a row is not there; names those that are.</exception>
    /// <exception cref="NotSupportedException">The model has no hook points.</exception>
    internal void Check(ILanguageModel model, long? rows = null)
    {
        foreach (var (point, row, _) in edits)
        {
            if (model.HookPoints.Count == 0)
                throw new NotSupportedException($"{model.GetType().Name} has no hook points, so the edit at '{point}' has no place; leave it out.");
            if (!model.HookPoints.ContainsKey(point))
                throw new ArgumentException($"The model has no point '{point}'; it has {string.Join(", ", model.HookPoints.Keys)}.");
        }
        if (rows is { } count)
            CheckRows(count);
    }

    /// <summary>Fails unless a batch has the rows.</summary>
    internal void CheckRows(long rows)
    {
        foreach (var (point, row, _) in edits)
        {
            if (row >= rows)
                throw new ArgumentException($"The edit at '{point}' is of row {row}, and the batch has {rows}, the first being 0.");
        }
    }

    /// <summary>The edits of some rows, as rows of their own batch.</summary>
    internal HookEdits Some(IEnumerable<int> rows)
    {
        var places = rows.Select((row, place) => (row, place)).ToDictionary(pair => pair.row, pair => pair.place);
        return new([.. edits.Where(edit => places.ContainsKey(edit.Row)).Select(edit => (edit.Point, places[edit.Row], edit.Edit))]);
    }

    /// <summary>An activation (B, L, ...) with the edits of a point.</summary>
    internal Tensor Apply(string point, Tensor activation, Tensor? segments)
    {
        foreach (var (name, row, edit) in edits)
        {
            if (name == point)
                activation = Apply(point, activation, row, edit, segments);
        }
        return activation;
    }

    private static Tensor Apply(string point, Tensor activation, int row, Func<Tensor, Tensor> edit, Tensor? segments)
    {
        using var scope = NewDisposeScope();
        var own = activation.narrow(0, row, 1);
        var valid = segments?[row].ge(0).nonzero().squeeze(1); // columns that are no padding
        if (valid is not null && valid.size(0) == activation.size(1))
            valid = null;
        if (valid?.size(0) == 0)
            return activation.alias().MoveToOuterDisposeScope();
        var seen = valid is null ? own : own.index_select(1, valid);
        var edited = edit(seen);
        if (!edited.shape.SequenceEqual(seen.shape))
            throw new InvalidOperationException($"The edit of row {row} at '{point}' turned ({string.Join(", ", seen.shape)}) into ({string.Join(", ", edited.shape)}); it must keep the shape.");
        edited = edited.to(activation.dtype);
        if (valid is not null)
            edited = own.index_copy(1, valid, edited);
        Tensor[] parts = [activation.narrow(0, 0, row), edited, activation.narrow(0, row + 1, activation.size(0) - row - 1)];
        return cat([.. parts.Where(part => part.size(0) > 0)], 0).MoveToOuterDisposeScope();
    }
}
