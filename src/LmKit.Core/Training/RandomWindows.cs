using static TorchSharp.torch;

namespace LmKit;

/// <summary>Batches of training windows in a random order that a seed fixes and a place resumes.</summary>
/// <remarks>
/// In each epoch the data, from a random offset on, is cut into windows side by side, which come in random order, each
/// once; a batch that an epoch's end cuts is filled from the next. (Epoch, Index) is the whole state: another instance
/// with the same seed that seeks there goes on identically. Not thread-safe.
/// </remarks>
public sealed class RandomWindows
{
    private const long MaxBatchTokens = 1 << 26;

    private readonly TokenDataset data;
    private readonly long length;
    private readonly long batchSize;
    private readonly long seed;
    private long[] starts = [];
    private long startsEpoch = -1;

    /// <summary>Makes the order of windows of <paramref name="length"/> tokens, <paramref name="batchSize"/> at a time.</summary>
    /// <exception cref="ArgumentException">The data is shorter than one window, or a size is below 1 or absurd.</exception>
    public RandomWindows(TokenDataset data, long length, long batchSize, long seed)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (data.Count < length)
            throw new ArgumentException($"{data.FilePath} has {data.Count} tokens, fewer than one window of {length}; give more text or shorten the window.", nameof(data));
        if (batchSize > MaxBatchTokens / length)
            throw new ArgumentException($"A batch of {batchSize} windows of {length} tokens is more than {MaxBatchTokens} tokens; take fewer at a time, and accumulate over several batches.", nameof(batchSize));
        this.data = data;
        this.length = length;
        this.batchSize = batchSize;
        this.seed = seed;
        WindowsPerEpoch = (data.Count - MaxOffset) / length;
    }

    /// <summary>The epoch of the next window, from 0.</summary>
    public long Epoch { get; private set; }

    /// <summary>The next window's place in its epoch's order.</summary>
    public long Index { get; private set; }

    /// <summary>How many windows an epoch has.</summary>
    public long WindowsPerEpoch { get; }

    // Offsets go up to length - 1 where the data has room to spare, so that every epoch has as many windows.
    private long MaxOffset => Math.Min(length - 1, data.Count - length);

    /// <summary>Goes to a place that <see cref="Epoch"/> and <see cref="Index"/> gave before.</summary>
    public void Seek(long epoch, long index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, WindowsPerEpoch);
        Epoch = epoch;
        Index = index;
    }

    /// <summary>The place of the next window, (epoch, index) int64, which the caller disposes.</summary>
    internal Tensor Place()
    {
        LibTorch.EnsureLoaded();
        return tensor(new[] { Epoch, Index });
    }

    /// <summary>Refuses a place that these windows do not have.</summary>
    /// <exception cref="CheckpointMismatchException">It is not one of <see cref="Place"/>.</exception>
    internal void CheckPlace(Tensor place)
    {
        ArgumentNullException.ThrowIfNull(place);
        var values = HostValues.Read(place);
        if (values is not [>= 0, >= 0] || values[1] > WindowsPerEpoch)
            throw new CheckpointMismatchException("The place in the data", [], [], [], [], [new TensorMismatch("place", $"an epoch and one of {WindowsPerEpoch} windows", string.Join(", ", values))]);
    }

    /// <summary>Goes to a place that <see cref="Place"/> gave.</summary>
    /// <inheritdoc cref="CheckPlace"/>
    internal void Seek(Tensor place)
    {
        CheckPlace(place);
        var values = HostValues.Read(place);
        Seek(values[0], values[1]);
    }

    /// <summary>The next batch: (B, L) int64, which the caller disposes.</summary>
    public Tensor Next()
    {
        var chosen = new long[batchSize];
        for (var row = 0; row < batchSize; row++)
        {
            if (Index == WindowsPerEpoch)
                (Epoch, Index) = (Epoch + 1, 0);
            Prepare();
            chosen[row] = starts[Index++];
        }
        return data.Windows(chosen, length);
    }

    private void Prepare()
    {
        if (startsEpoch == Epoch)
            return;
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        using var random = new Generator(unchecked((ulong)((seed * 0x5851F42D4C957F2D) + Epoch)));
        var offset = randint(0, MaxOffset + 1, [1], dtype: ScalarType.Int64, generator: random).item<long>();
        var order = randperm(WindowsPerEpoch, dtype: ScalarType.Int64, generator: random);
        starts = [.. order.data<long>().Select(window => offset + (window * length))];
        startsEpoch = Epoch;
    }
}

/// <summary>Cuts data into windows, in order, so that every token but the first is predicted exactly once.</summary>
/// <remarks>
/// A window of L tokens predicts its last L - 1 from those before them; the next window therefore begins with its last
/// token. The rest at the end comes as one shorter window in a batch of its own, so no padding is needed.
/// </remarks>
public static class EvaluationWindows
{
    /// <summary>The batches: (B, L) int64, then perhaps a smaller one and a shorter one; the caller disposes each.</summary>
    /// <exception cref="ArgumentException">The data has fewer than two tokens, or a size is too small.</exception>
    public static IEnumerable<Tensor> Read(TokenDataset data, long length, long batchSize)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        return data.Count >= 2
            ? Batches(data, length, batchSize)
            : throw new ArgumentException($"{data.FilePath} has {data.Count} tokens; an evaluation needs at least two.", nameof(data));
    }

    private static IEnumerable<Tensor> Batches(TokenDataset data, long length, long batchSize)
    {
        var step = length - 1;
        var whole = (data.Count - 1) / step;
        for (long first = 0; first < whole; first += batchSize)
        {
            var starts = new long[Math.Min(batchSize, whole - first)];
            for (var row = 0; row < starts.Length; row++)
                starts[row] = (first + row) * step;
            yield return data.Windows(starts, length);
        }
        if (data.Count - (whole * step) is var rest and > 1)
            yield return data.Windows([whole * step], rest);
    }
}
