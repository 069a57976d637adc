using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads the columns that a sampler adds to a prompt as soon as they can change no more.</summary>
/// <remarks>A sampler that only appends gives columns with every version; of any other the last version alone counts. One reader
/// serves one thread at a time.</remarks>
internal sealed class GridReader : IDisposable
{
    private readonly IEnumerator<Tensor> versions;
    private readonly string sampler;
    private readonly bool isAppendOnly;
    private readonly long rows;
    private long width;
    private long[]? held;
    private bool isOver;

    /// <summary>Begins a sample.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="prompt">(B, L); outlives the reader.</param>
    /// <param name="length">Columns to add.</param>
    /// <param name="random">Source of randomness; outlives the reader.</param>
    internal GridReader(ISampler sampler, Tensor prompt, long length, Generator random)
    {
        this.sampler = sampler.GetType().Name;
        isAppendOnly = sampler.IsAppendOnly;
        (rows, width) = (prompt.size(0), prompt.size(1));
        versions = sampler.Sample(prompt, length, random).GetEnumerator();
    }

    /// <summary>The next columns that stay, row after row; empty for a version that may still change, null at the end.</summary>
    internal long[]? Next()
    {
        if (isOver)
            return null;
        if (!versions.MoveNext())
        {
            isOver = true;
            return held;
        }
        using var grid = versions.Current;
        var added = Columns(grid);
        if (!isAppendOnly)
        {
            held = added;
            return [];
        }
        width = grid.size(1);
        return added;
    }

    public void Dispose() => versions.Dispose();

    private long[] Columns(Tensor grid)
    {
        if (grid.dim() != 2 || grid.size(0) != rows || grid.size(1) < width)
            throw new InvalidOperationException($"{sampler} gave a grid ({string.Join(", ", grid.shape)}) where at least ({rows}, {width}) stood before.");
        if (grid.size(1) == width)
            return [];
        using var scope = NewDisposeScope();
        return HostValues.Read(grid.narrow(1, width, grid.size(1) - width));
    }
}
