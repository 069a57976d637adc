using System.IO.MemoryMappedFiles;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads tensors by name from a memory-mapped safetensors file.</summary>
/// <remarks>
/// The header is checked whole before the constructor returns: every byte of the data belongs to exactly one tensor.
/// Tensor bytes are touched only when that tensor is read. Reading is thread-safe; disposing is not. While a reader is
/// open the file must not be rewritten in place (<see cref="SafetensorsWriter"/> replaces it by a rename).
/// </remarks>
public sealed class SafetensorsReader : IDisposable
{
    /// <summary>The longest header the format allows, in bytes.</summary>
    internal const long MaxHeaderLength = 100_000_000;

    private const int PrefixLength = 8;

    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private readonly Dictionary<string, SafetensorsEntry> entries;
    private readonly string path;
    private readonly long dataStart;

    /// <summary>Opens the file and checks its header.</summary>
    /// <exception cref="SafetensorsException">The file breaks the format; the message names file, tensor and fault.</exception>
    public SafetensorsReader(string path)
    {
        this.path = path;
        var length = new FileInfo(path).Length;
        if (length < PrefixLength)
        {
            throw new SafetensorsException(path, null, $"the file has {length} bytes, less than the 8 that give the header's length");
        }
        file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        try
        {
            view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            var headerLength = view.ReadUInt64(0);
            if (headerLength < 2 || headerLength > MaxHeaderLength || (long)headerLength > length - PrefixLength)
            {
                throw new SafetensorsException(path, null, $"the header claims {headerLength} bytes; the file has {length - PrefixLength} behind its prefix and the format allows 2 to {MaxHeaderLength}");
            }
            dataStart = PrefixLength + (long)headerLength;
            var json = new byte[headerLength];
            _ = view.ReadArray(PrefixLength, json, 0, json.Length);
            var header = SafetensorsHeader.Parse(path, json, length - dataStart);
            Entries = header.Entries;
            Metadata = header.Metadata;
            entries = Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        }
        catch
        {
            view?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>All tensors, in the header's order.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>The file's free text pairs; empty when it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads one tensor into memory of its own on the CPU.</summary>
    /// <remarks>The caller disposes it; it has the shape and element type that its entry states.</remarks>
    /// <exception cref="SafetensorsException">There is no such tensor, or a boolean byte is neither 0 nor 1.</exception>
    public Tensor Read(string name)
    {
        ObjectDisposedException.ThrowIf(!view.CanRead, this);
        LibTorch.EnsureLoaded();
        if (!entries.TryGetValue(name, out var entry))
        {
            throw new SafetensorsException(path, name, $"the file has no such tensor; it holds {string.Join(", ", Entries.Take(8).Select(e => e.Name))}{(Entries.Count > 8 ? ", ..." : string.Empty)}");
        }
        var tensor = empty([.. entry.Shape], entry.ScalarType);
        try
        {
            TensorBytes.Visit(tensor, (start, bytes) => Copy(entry, start, bytes));
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>Reads every tensor; the caller disposes them.</summary>
    public Dictionary<string, Tensor> ReadAll()
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            foreach (var entry in Entries)
            {
                tensors.Add(entry.Name, Read(entry.Name));
            }
            return tensors;
        }
        catch
        {
            foreach (var tensor in tensors.Values)
            {
                tensor.Dispose();
            }
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        view.Dispose();
        file.Dispose();
    }

    private unsafe void Copy(SafetensorsEntry entry, long start, Span<byte> bytes)
    {
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        try
        {
            new ReadOnlySpan<byte>(pointer + view.PointerOffset + dataStart + entry.Start + start, bytes.Length).CopyTo(bytes);
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
        if (entry.ScalarType == ScalarType.Bool && bytes.IndexOfAnyExceptInRange((byte)0, (byte)1) is var at and >= 0)
        {
            throw new SafetensorsException(path, entry.Name, $"boolean byte {start + at} is {bytes[at]}, neither 0 nor 1");
        }
    }
}
