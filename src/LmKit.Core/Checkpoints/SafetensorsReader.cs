using System.Buffers.Binary;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads tensors by name from a memory-mapped safetensors file.</summary>
/// <remarks>
/// The header is checked whole before the constructor returns: every byte of the data belongs to exactly one tensor. A tensor of
/// a type that is not computed on (<see cref="SafetensorsEntry.IsReadable"/>) is listed and only its reading fails. Tensor bytes are touched only when that tensor is read. Reading is thread-safe; disposing is not. While a reader is
/// open the file must not be rewritten in place (<see cref="SafetensorsWriter"/> replaces it by a rename).
/// </remarks>
public sealed class SafetensorsReader : IDisposable
{
    /// <summary>The longest header the format allows, in bytes.</summary>
    internal const long MaxHeaderLength = 100_000_000;

    private const int PrefixLength = 8;

    private readonly MappedFile file;
    private readonly IReadOnlyDictionary<string, SafetensorsEntry> entries;
    private readonly string path;
    private readonly long dataStart;

    /// <summary>Opens the file and checks its header.</summary>
    /// <exception cref="SafetensorsException">The file breaks the format, or is of another; the message names file, tensor and fault.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public SafetensorsReader(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        this.path = path;
        using var stream = InputFile.Open(path, (fault, cause) => new SafetensorsException(path, null, fault, cause), bufferSize: 0);
        var length = stream.Length;
        if (OtherFormat(stream) is { } other)
            throw new SafetensorsException(path, null, other);
        if (length < PrefixLength)
            throw new SafetensorsException(path, null, $"the file has {length} bytes, less than the 8 that give the header's length; its download or its save did not end{UnfinishedDownload.Beside(path)}");
        file = new MappedFile(stream);
        try
        {
            var headerLength = BinaryPrimitives.ReadUInt64LittleEndian(Bytes(0, PrefixLength));
            if (headerLength < 2 || headerLength > MaxHeaderLength || (long)headerLength > length - PrefixLength)
                throw new SafetensorsException(path, null, $"the header claims {headerLength} bytes; the file has {length - PrefixLength} behind its prefix and the format allows 2 to {MaxHeaderLength}; it is damaged or cut short, so fetch it again{UnfinishedDownload.Beside(path)}");
            dataStart = PrefixLength + (long)headerLength;
            var header = SafetensorsHeader.Parse(path, Bytes(PrefixLength, (int)headerLength), length - dataStart);
            Entries = header.Entries;
            Metadata = header.Metadata;
            entries = header.Named;
        }
        catch
        {
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
    /// <exception cref="SafetensorsException">There is no such tensor, its type is not computed on, or a boolean byte is neither 0 nor
    /// 1.</exception>
    public Tensor Read(string name)
    {
        var entry = Readable(name);
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

    /// <summary>Where each tensor lies in the mapped file, for as long as it is open.</summary>
    internal unsafe IEnumerable<StoredTensor> Stored => Entries.Select(entry => new StoredTensor(entry, path, (nint)(file.Start + dataStart + entry.Start)));

    /// <summary>Reads every tensor; the caller disposes them.</summary>
    /// <exception cref="SafetensorsException">One cannot be read; none is returned.</exception>
    public Dictionary<string, Tensor> ReadAll()
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            foreach (var entry in Entries)
                tensors.Add(entry.Name, Read(entry.Name));
            return tensors;
        }
        catch
        {
            foreach (var tensor in tensors.Values)
                tensor.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    // What the start of a file says when it is of another format.
    private static string? OtherFormat(FileStream stream)
    {
        Span<byte> start = stackalloc byte[9];
        var count = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        stream.Position = 0;
        // A length of 640 begins as a pickle does: where the ninth byte opens a JSON object, the first eight are the header's length.
        return count < 4 || (count == start.Length && start[8] == '{') ? null : start[..4] switch
        {
            [(byte)'P', (byte)'K', 3 or 5, 4 or 6] => $"it is a zip archive, as PyTorch's .pt and .bin files are, and no safetensors file; {nameof(PickleReader)} reads those",
            [0x80, 2 or 3 or 4 or 5, _, _] => "it is a bare pickle, as old .pt and .bin files of PyTorch are, and no safetensors file; load it where it was made and save it as safetensors",
            [(byte)'{', _, _, _] when IsText(stream) => "it is JSON text, such as the index of a checkpoint in several files, and no safetensors file; give the folder to a loader of folders, or one of the files that the index names",
            _ when IsPrintable(start[..count]) => $"it begins with the text '{Encoding.ASCII.GetString(start[..count])}', as a web page or a server's message does, and is no safetensors file; download it again",
            _ => null,
        };
    }

    // The upper bytes of a header's length are zero, which no text has.
    private static bool IsPrintable(ReadOnlySpan<byte> start) => start.Length >= PrefixLength && start.IndexOfAnyExceptInRange((byte)' ', (byte)'~') < 0;

    // A header's length that starts with '{' is possible; its upper bytes are then zero, which no text has.
    private static bool IsText(FileStream stream)
    {
        Span<byte> start = stackalloc byte[PrefixLength];
        var count = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        stream.Position = 0;
        return !start[..count].Contains((byte)0);
    }

    private SafetensorsEntry Readable(string name)
    {
        ObjectDisposedException.ThrowIf(file.IsClosed, this);
        LibTorch.EnsureLoaded();
        if (!entries.TryGetValue(name, out var entry))
            throw new SafetensorsException(path, name, $"the file has no such tensor; it holds {string.Join(", ", Entries.Take(8).Select(e => SafetensorsException.Shown(e.Name)))}{(Entries.Count > 8 ? ", ..." : string.Empty)}");
        if (!entry.IsReadable)
            throw new SafetensorsException(path, name, $"its type {SafetensorsException.Shown(entry.Dtype)} is not computed on; those that are: {SafetensorsTypes.Names}. Convert it where the file was made");
        return entry;
    }

    private unsafe ReadOnlySpan<byte> Bytes(long start, int length) => new(file.Start + start, length);

    private void Copy(SafetensorsEntry entry, long start, Span<byte> bytes)
    {
        Bytes(dataStart + entry.Start + start, bytes.Length).CopyTo(bytes);
        GC.KeepAlive(this); // the memory goes with it
        if (entry.ScalarType == ScalarType.Bool && bytes.IndexOfAnyExceptInRange((byte)0, (byte)1) is var at and >= 0)
            throw new SafetensorsException(path, entry.Name, $"boolean byte {start + at} is {bytes[at]}, neither 0 nor 1");
    }
}

/// <summary>What the header of a safetensors file says about one tensor.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="ScalarType">The element type; -1, which is no member of the enumeration, where <see cref="IsReadable"/> is false.</param>
/// <param name="Shape">The size of each axis; empty for a scalar.</param>
/// <param name="Start">Where its bytes start, counted from the end of the header.</param>
/// <param name="ByteCount">How many bytes it has.</param>
public sealed record SafetensorsEntry(string Name, ScalarType ScalarType, IReadOnlyList<long> Shape, long Start, long ByteCount)
{
    private readonly string? dtype;

    /// <summary>The element type in the format's words, such as <c>F32</c> or <c>F8_E4M3</c>.</summary>
    public string Dtype
    {
        get => dtype ?? SafetensorsTypes.Name(ScalarType) ?? ScalarType.ToString();
        init => dtype = value;
    }

    /// <summary>Whether the element type is one that is computed on, so that the tensor can be read.</summary>
    public bool IsReadable => SafetensorsTypes.Name(ScalarType) is not null;
}

/// <summary>A safetensors file breaks a rule of its format, or holds a tensor that cannot be used.</summary>
public sealed class SafetensorsException : IOException
{
    private const int MaxShown = 200;

    /// <summary>Makes the exception from the file, the tensor the fault concerns (null for the file as a whole) and the fault.</summary>
    public SafetensorsException(string path, string? tensorName, string fault, Exception? innerException = null)
        : base(tensorName is null ? $"{path}: {fault}" : $"{path}: tensor '{Shown(tensorName)}': {fault}", innerException)
    {
        FilePath = path;
        TensorName = tensorName;
    }

    /// <summary>The file that was refused.</summary>
    public string FilePath { get; }

    /// <summary>The tensor the fault concerns, or null when it concerns the whole file.</summary>
    public string? TensorName { get; }

    // A hostile name may be as long as its file.
    internal static string Shown(string text) => text.Length <= MaxShown ? text : $"{text[..MaxShown]}...";
}
