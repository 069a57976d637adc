namespace LmKit;

public sealed partial class KeyValueCache
{
    // The last slots are the columns read since the rows stood as the origin says, none dropped; what a query from there on sees is held.
    private DocumentCursor origin;
    private long trail;
    private long reserved;
    private long takenBack; // columns, and not read again since

    /// <inheritdoc/>
    public override bool CanRollBack => true;

    /// <inheritdoc/>
    /// <remarks>All columns, where the mask forgets nothing; else the last R that <see cref="MixerState.ReserveRollback"/> keeps room for, and
    /// the cache then holds R slots more. Where the angles of the positions depend on the length of the text, no further back than to a
    /// length that has the same ones.</remarks>
    public override long RollbackRoom =>
        encoding is { TrainedLength: { } trained } family ? Math.Min(Room, AnglesAlike(family, trained)) : Room;

    private long Room => mask.Forgets ? Math.Min(trail, Math.Max(0, reserved - takenBack)) : trail;

    /// <summary>Where the rows stand.</summary>
    internal DocumentCursor Cursor => cursor;

    /// <inheritdoc/>
    protected override void Reserve(long columns) => reserved = columns;

    /// <inheritdoc/>
    protected override void Drop(long columns)
    {
        Forget();
        var left = (int)(Count - columns);
        cursor = At(left);
        slots.Cut(left, origin.IsUniform);
        (trail, takenBack) = (trail - columns, takenBack + columns);
        if (!slots.IsUniform)
            return;
        cursor = origin.Copy(); // all rows stand alike, once more perhaps
        cursor.AdvanceAll(trail);
    }

    // Takes a call's columns in.
    private void Note(SequenceLayout layout)
    {
        slots.Append(layout);
        (trail, takenBack) = (trail + layout.Length, Math.Max(0, takenBack - layout.Length));
    }

    // Where the rows stood before the column of a slot, one of the trail or the next one.
    private DocumentCursor At(long slot)
    {
        var at = origin.Copy();
        var first = (int)(Count - trail);
        if (slots.IsUniform)
        {
            at.AdvanceAll(slot - first);
            return at;
        }
        at.MarkRagged();
        for (var row = 0; row < at.Batch; row++)
        {
            foreach (var document in slots.Documents(row)[first..(int)slot])
                _ = at.Advance(row, document);
        }
        return at;
    }

    // Columns that can go without another encoding of the keys that stay.
    private long AnglesAlike(PositionEncoding family, long trained)
    {
        if (!slots.IsUniform)
            return Enumerable.Range(0, (int)cursor.Batch).All(row => origin.Counts[row] <= trained && !slots.Positions(row).ContainsAnyExceptInRange(0, trained - 1)) ? trail : 0;
        var length = cursor.Batch > 0 ? cursor.Counts[0] : 0;
        var own = family.ForLength(length);
        var (alike, other) = (length, Math.Min(trained, length) - 1); // lengths with the same angles and without, or below all
        if (family.ForLength(trained) == own || length <= trained)
            return trail;
        while (alike - other > 1)
        {
            var middle = (alike + other) / 2;
            (alike, other) = family.ForLength(middle) == own ? (middle, other) : (alike, middle);
        }
        return length - alike;
    }
}
