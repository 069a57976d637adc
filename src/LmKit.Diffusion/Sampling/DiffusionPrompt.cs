using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads prompts: what is fixed, what is free, how far each row is padded.</summary>
internal static class DiffusionPrompt
{
    // A step holds the logits of every token.
    private const long MostTokens = 1 << 26;

    internal static void Check(Tensor prompt, long length, long vocabSize)
    {
        TensorCheck.CheckAlive(prompt, nameof(prompt), "A diffusion sampler");
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length > MostTokens || (prompt.dim() == 2 && prompt.size(0) * (prompt.size(1) + length) > MostTokens))
            throw new ArgumentOutOfRangeException(nameof(length), length, $"A grid of prompt and new columns holds at most {MostTokens} tokens.");
        if (prompt.dtype != ScalarType.Int64 || prompt.dim() != 2 || prompt.size(0) == 0)
            throw new ArgumentException($"A prompt is int64 of shape (B, L); got {prompt.dtype} ({string.Join(", ", prompt.shape)}).", nameof(prompt));
        var (values, columns) = (HostValues.Read(prompt), prompt.size(1));
        for (var index = 0; index < values.Length; index++)
        {
            var (row, column) = (index / columns, index % columns);
            if (values[index] >= vocabSize || values[index] < -1)
                throw new ArgumentException($"The prompt's token {values[index]} at row {row}, column {column} is outside the vocabulary of {vocabSize}.", nameof(prompt));
            if (values[index] == -1 && column > 0 && values[index - 1] != -1)
                throw new ArgumentException($"The prompt's padding (-1) at row {row}, column {column} stands behind a token; padding goes on the left.", nameof(prompt));
        }
    }

    internal static (Tensor Tokens, Tensor Fixed) Start(Tensor prompt, long length, long maskId)
    {
        using var scope = NewDisposeScope();
        var free = full(prompt.size(0), length, maskId, ScalarType.Int64, prompt.device);
        var tokens = cat([prompt, free], 1);
        return (tokens.DetachFromDisposeScope(), tokens.ne(maskId).DetachFromDisposeScope());
    }

    internal static int[] Padding(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        return [.. HostValues.Read(tokens.lt(0).sum(1)).Select(count => (int)count)];
    }

    /// <summary>Walks rows of each amount of padding without it, side by side, and joins the grids.</summary>
    /// <param name="prompt">(B, L), -1 for padding on the left.</param>
    /// <param name="walk">Gives the grids of an unpadded prompt that holds these rows of the batch.</param>
    internal static IEnumerable<Tensor> WithoutPadding(Tensor prompt, Func<Tensor, int[], IEnumerable<Tensor>> walk)
    {
        var parts = Padding(prompt).Select((count, row) => (count, row)).GroupBy(pair => pair.count, pair => pair.row).Select(group => new Part(prompt, group.Key, [.. group], walk)).ToList();
        Tensor? joined = null;
        try
        {
            while (parts.Aggregate(false, (moved, part) => part.Step(prompt, ref joined) || moved))
                yield return joined!.alias().DetachFromDisposeScope();
        }
        finally
        {
            joined?.Dispose();
            parts.ForEach(part => part.Dispose());
        }
    }

    /// <summary>The rows of one amount of padding.</summary>
    private sealed class Part : IDisposable
    {
        private readonly int padding;
        private readonly int[] rows;
        private readonly Tensor prompt;
        private readonly IEnumerator<Tensor> grids;

        internal Part(Tensor whole, int padding, int[] rows, Func<Tensor, int[], IEnumerable<Tensor>> walk)
        {
            (this.padding, this.rows) = (padding, rows);
            using (NewDisposeScope())
                prompt = whole.index_select(0, Index(whole)).narrow(1, padding, whole.size(1) - padding).clone().DetachFromDisposeScope();
            grids = walk(prompt, rows).GetEnumerator();
        }

        /// <summary>Puts the next grid into a new version of the whole; false at the end, from where on the last one stands.</summary>
        internal bool Step(Tensor whole, ref Tensor? joined)
        {
            if (!grids.MoveNext())
                return false;
            using var grid = grids.Current;
            using var scope = NewDisposeScope();
            using var old = joined;
            if (rows.Length == whole.size(0) && padding == 0)
            {
                joined = grid.alias().DetachFromDisposeScope();
                return true;
            }
            joined = (old?.clone() ?? full(whole.size(0), padding + grid.size(1), -1L, ScalarType.Int64, whole.device)).DetachFromDisposeScope();
            joined.narrow(1, padding, grid.size(1)).index_copy_(0, Index(whole), grid);
            return true;
        }

        public void Dispose()
        {
            grids.Dispose();
            prompt.Dispose();
        }

        private Tensor Index(Tensor whole) => tensor(rows.Select(row => (long)row).ToArray(), device: whole.device);
    }
}
