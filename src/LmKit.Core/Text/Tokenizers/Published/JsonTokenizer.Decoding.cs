using System.Buffers;
using System.Text;

namespace LmKit;

/// <content>Ids back to text.</content>
internal sealed partial class JsonTokenizer
{
    /// <inheritdoc/>
    public override string Decode(IEnumerable<int> ids) => Decode(ids, keepsSpecial: false);

    /// <summary>Decodes ids; special tokens are left out unless they are kept, ids that nothing stands for are always.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is negative or above the largest.</exception>
    internal string Decode(IEnumerable<int> ids, bool keepsSpecial)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var reader = new Reader(this, keepsSpecial);
        foreach (var id in ids)
            reader.Add(id);
        return reader.Flush();
    }

    /// <inheritdoc/>
    /// <remarks>Stops where a token ends that ends a character, too.</remarks>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        (idsConsumed, charsWritten) = (0, 0);
        var reader = new Reader(this, keepsSpecial: false);
        var (taken, given) = (0, "");
        foreach (var id in ids)
        {
            reader.Add(id);
            taken++;
            if (reader.Holds)
                continue;
            given += reader.Take();
            if (given.Length > destination.Length)
                return OperationStatus.DestinationTooSmall;
            given.CopyTo(destination);
            (idsConsumed, charsWritten) = (taken, given.Length);
        }
        if (reader.Waits)
            return OperationStatus.NeedMoreData;
        given += reader.Flush();
        if (given.Length > destination.Length)
            return OperationStatus.DestinationTooSmall;
        given.CopyTo(destination);
        (idsConsumed, charsWritten) = (taken, given.Length);
        return OperationStatus.Done;
    }

    /// <summary>Begins a stream of ids; special tokens are left out.</summary>
    internal Reader Read() => new(this, keepsSpecial: false);

    /// <summary>Decodes a stream of ids, one text and one thread at a time.</summary>
    internal sealed class Reader
    {
        private readonly JsonTokenizer owner;
        private readonly bool keepsSpecial;
        private readonly StringBuilder text = new();
        private readonly TokenDecoder decoder;

        internal Reader(JsonTokenizer owner, bool keepsSpecial)
        {
            (this.owner, this.keepsSpecial) = (owner, keepsSpecial);
            decoder = TokenDecoder.Chain(owner.plan.Decoders(), text);
        }

        /// <summary>Whether a part of a character waits for the rest.</summary>
        internal bool Waits => decoder.Waits;

        /// <summary>Whether something is held back, whole or not.</summary>
        internal bool Holds => decoder.Holds;

        internal void Add(int id)
        {
            if (id < 0 || id >= owner.IdCount)
                throw new ArgumentOutOfRangeException(nameof(id), id, $"The tokenizer's ids are 0 to {owner.IdCount - 1}.");
            if (owner.Token(id) is { } token && (keepsSpecial || !owner.special.Contains(token)))
                Do(() => decoder.Add(token));
        }

        /// <summary>Takes the next id and returns the text that is now certain.</summary>
        internal string Next(int id)
        {
            Add(id);
            return Take();
        }

        /// <summary>The text that is certain and was not taken before.</summary>
        internal string Take()
        {
            var taken = text.ToString();
            _ = text.Clear();
            return taken;
        }

        /// <summary>Ends the text and returns the rest.</summary>
        internal string Flush()
        {
            Do(decoder.Flush);
            return Take();
        }

        private void Do(Action step)
        {
            try
            {
                step();
            }
            catch (TokenizerRefusal failure)
            {
                throw owner.Refused(failure);
            }
        }
    }
}
