using System.IO.Compression;
using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads the tensors of a PyTorch <c>.pt</c> file (a zip with a pickle inside) without running anything it asks for.</summary>
/// <remarks>The pickle may build tensors, numbers, texts, lists, tuples and dictionaries; any other class or function is refused by its
/// name. Storages must be uncompressed and as long as they claim. What reading costs is bounded by the file's size. Tensors that share
/// a storage in the file share their memory, as they do in PyTorch.</remarks>
public static class PickleReader
{
    private const int MaxDepth = 16;
    private const int MaxEntries = 1 << 17;

    // PyTorch leaves the instructions uncompressed, so they are no longer than the file; others may compress small ones.
    private const long MaxPackedInstructions = 8L << 20;

    /// <summary>Reads the file's dictionary; nested dictionaries are joined with dots. The caller disposes the tensors.</summary>
    /// <exception cref="PickleException">The file names something else, is damaged, costs more than its size justifies, or its top is no
    /// dictionary.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static Dictionary<string, Tensor> ReadTensors(string path) => Read(path).Tensors;

    /// <summary>Reads tensors, and the numbers, texts and truth values beside them, by dotted name.</summary>
    /// <inheritdoc cref="ReadTensors"/>
    public static (Dictionary<string, Tensor> Tensors, Dictionary<string, object> Values) Read(string path) => Read(path, isMapped: false).Contents;

    /// <summary>The tensors over the mapped file's own memory, to be read only and while the file is open; the caller disposes both.</summary>
    /// <exception cref="PickleException">As <see cref="ReadTensors"/> says, or something other than a tensor stands in the file.</exception>
    internal static (Dictionary<string, Tensor> Tensors, MappedFile File) Map(string path)
    {
        var ((tensors, values), mapped) = Read(path, isMapped: true);
        if (values.Count == 0)
            return (tensors, mapped!);
        foreach (var tensor in tensors.Values)
            tensor.Dispose();
        mapped!.Dispose();
        throw new PickleException(path, $"'{SafetensorsException.Shown(values.First().Key)}' is {PickleMachine.Said(values.First().Value)}, where weights have a tensor; it may be a checkpoint of a training run, from which the model's weights have to be saved by themselves");
    }

    private static ((Dictionary<string, Tensor> Tensors, Dictionary<string, object> Values) Contents, MappedFile? Mapped) Read(string path, bool isMapped)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        using var file = InputFile.Open(path, (fault, cause) => new PickleException(path, fault, cause), bufferSize: 1 << 16);
        if (OtherFormat(file) is { } other)
            throw new PickleException(path, other);
        MappedFile? mapped = null;
        try
        {
            if (!ZipDirectory.HasAtMost(file, MaxEntries))
                throw new PickleException(path, $"the archive has more than {MaxEntries} entries, one for each storage; no checkpoint has so many");
            using var archive = new ZipArchive(file, ZipArchiveMode.Read, leaveOpen: true);
            mapped = isMapped ? new MappedFile(file) : null;
            var contents = Contents(path, archive, file, mapped);
            foreach (var tensor in contents.Tensors.Values)
                tensor.MoveToOuterDisposeScope();
            return (contents, mapped);
        }
        catch (Exception error)
        {
            mapped?.Dispose();
            if (error is InvalidDataException or EndOfStreamException or InvalidCastException or ArgumentException or OverflowException or InvalidOperationException or NotSupportedException or System.Runtime.InteropServices.ExternalException)
                throw new PickleException(path, $"it is damaged or no PyTorch file: {error.Message.TrimEnd('.')}; download it again{UnfinishedDownload.Beside(path)}", error);
            throw;
        }
    }

    private static (Dictionary<string, Tensor> Tensors, Dictionary<string, object> Values) Contents(string path, ZipArchive archive, FileStream file, MappedFile? mapped)
    {
        var fileLength = file.Length;
        var instructions = archive.Entries.FirstOrDefault(entry => entry.FullName.EndsWith("/data.pkl", StringComparison.Ordinal))
            ?? throw new PickleException(path, "the archive has no data.pkl; older formats of PyTorch are not read. Save it again with torch.save, or as safetensors");
        if (instructions.Length > fileLength + MaxPackedInstructions)
            throw new PickleException(path, $"data.pkl has {instructions.Length} bytes in a file of {fileLength}; PyTorch does not pack it so");
        var budget = new PickleBudget(path, fileLength);
        budget.Charge(instructions.Length);
        var storages = new PickleStorages(path, archive, instructions.FullName[..^"data.pkl".Length], file, mapped, budget);
        var top = new PickleMachine(path, PickleStorages.Bytes(instructions), storages, budget).Run();
        if (top is not Dictionary<object, object?> dictionary)
            throw new PickleException(path, $"its top is {PickleMachine.Said(top)}, not a dictionary of tensors");
        var (tensors, values) = (new Dictionary<string, Tensor>(StringComparer.Ordinal), new Dictionary<string, object>(StringComparer.Ordinal));
        Flatten(path, budget, dictionary, string.Empty, tensors, values, 0);
        return (tensors, values);
    }

    private static void Flatten(string path, PickleBudget budget, Dictionary<object, object?> from, string prefix, Dictionary<string, Tensor> tensors, Dictionary<string, object> values, int depth)
    {
        if (depth > MaxDepth)
            throw new PickleException(path, $"its dictionaries lie more than {MaxDepth} deep, or in one another");
        foreach (var (key, value) in from)
        {
            if (key is not (string or long or double or bool))
                throw new PickleException(path, $"a key of '{SafetensorsException.Shown(prefix.TrimEnd('.'))}' is {PickleMachine.Said(key)}; texts and numbers can be keys");
            var word = key as string ?? Convert.ToString(key, System.Globalization.CultureInfo.InvariantCulture)!;
            budget.Charge(PickleBudget.Entry + (2L * (prefix.Length + word.Length)) + (value is Tensor ? PickleBudget.Tensor : 0));
            var name = prefix + word;
            if (value is Dictionary<object, object?> inner)
                Flatten(path, budget, inner, $"{name}.", tensors, values, depth + 1);
            else if (value is Tensor or long or double or bool or string && (tensors.ContainsKey(name) || values.ContainsKey(name)))
                throw new PickleException(path, $"two entries have the name '{SafetensorsException.Shown(name)}' when dictionaries are joined with dots");
            else if (value is Tensor tensor)
                tensors.Add(name, tensor.alias());
            else if (value is long or double or bool or string)
                values.Add(name, value);
        }
    }

    // What the start of a file says when it is of another format.
    private static string? OtherFormat(FileStream stream)
    {
        Span<byte> start = stackalloc byte[9];
        var count = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        stream.Position = 0;
        return count < start.Length ? null : start switch
        {
            [_, _, _, _, 0, 0, 0, 0, (byte)'{'] => $"it is a safetensors file; {nameof(SafetensorsReader)} reads those",
            [0x80, >= 2 and <= 5, ..] => "it is a bare pickle, as PyTorch wrote before version 1.6; load it where it was made and save it again with torch.save, or as safetensors",
            _ => null,
        };
    }
}

/// <summary>A PyTorch file holds something other than tensors, numbers, texts, lists and dictionaries, or is damaged.</summary>
public sealed class PickleException : IOException
{
    /// <summary>Makes the exception from the file and its fault.</summary>
    public PickleException(string path, string fault, Exception? innerException = null)
        : base($"{path}: {fault}", innerException) => FilePath = path;

    /// <summary>The file that was refused.</summary>
    public string FilePath { get; }
}

/// <summary>A storage of a PyTorch file: values in one row, over which tensors lie.</summary>
/// <param name="Values">The values (N).</param>
internal sealed record PickleStorage(Tensor Values);

/// <summary>A class or function that a pickle names and that is on the short list of harmless ones; it is never looked up or called.</summary>
internal sealed record PickleGlobal(string Module, string Name)
{
    internal bool IsAllowed => (Module, Name) is
        ("collections", "OrderedDict") or ("torch._utils", "_rebuild_tensor_v2") or ("torch._utils", "_rebuild_parameter")
        || (Module == "torch" && PickleStorages.Knows(Name));
}

/// <summary>Compares the keys of a pickle's dictionaries and of its memory; hashes are mixed with a secret, so that no file can make all meet.</summary>
internal sealed class PickleKeys : IEqualityComparer<object>, IEqualityComparer<int>
{
    internal static readonly PickleKeys Instance = new();

    bool IEqualityComparer<object>.Equals(object? x, object? y) => Equals(x, y);

    int IEqualityComparer<object>.GetHashCode(object key) => key switch
    {
        string text => text.GetHashCode(StringComparison.Ordinal),
        long number => Mixed(number),
        double number => Mixed(BitConverter.DoubleToInt64Bits(number == 0 ? 0 : number)),
        bool truth => HashCode.Combine(truth),
        _ => RuntimeHelpers.GetHashCode(key),
    };

    public bool Equals(int x, int y) => x == y;

    public int GetHashCode(int key) => HashCode.Combine(key);

    // Both halves apart: a number's own hash folds them into one, which a file can choose to be the same for all.
    private static int Mixed(long number) => HashCode.Combine((int)number, (int)(number >> 32));
}

/// <summary>What reading one pickle may allocate in all, so that a small file cannot ask for much.</summary>
/// <param name="path">The file, for the error.</param>
/// <param name="fileLength">Its length in bytes.</param>
internal sealed class PickleBudget(string path, long fileLength)
{
    private const long Floor = 44L << 20;

    // Bytes that one of each takes here at most, growth of its container included.
    internal const int Item = 32;
    internal const int Entry = 96;
    internal const int Dictionary = 200;
    internal const int Tensor = 640;

    private readonly long limit = Floor + (3 * fileLength);
    private long spent;

    /// <summary>Takes bytes before they are allocated.</summary>
    internal void Charge(long bytes)
    {
        spent += bytes;
        if (spent > limit)
            throw new PickleException(path, $"what it builds takes more than {limit} bytes, though the file has only {fileLength}; no checkpoint of tensors does");
    }
}
