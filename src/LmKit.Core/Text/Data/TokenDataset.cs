using System.Globalization;
using System.IO.MemoryMappedFiles;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A long row of token ids in a memory-mapped file, cut into windows for training and evaluation.</summary>
/// <remarks>
/// Windows are (B, L) int64 tensors on the CPU that the caller disposes; targets are the same ids one place on. Reading
/// is thread-safe; disposing is not. <see cref="RandomWindows"/> and <see cref="EvaluationWindows"/> choose windows.
/// </remarks>
public sealed partial class TokenDataset : IDisposable
{
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private readonly TokenFileHeader header;

    private TokenDataset(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        FilePath = path;
        if (InputFile.Fault(path) is { } fault)
            throw new TextDataException(path, $"{fault}.");
        var stream = InputFile.Open(path, (problem, cause) => new TextDataException(path, $"{problem}.", cause), bufferSize: 0);
        var length = stream.Length;
        if (length < TokenFileHeader.Length)
        {
            stream.Dispose();
            throw new TextDataException(path, $"the file has {length} bytes and is no token file; delete it, and it is made again.");
        }
        file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        try
        {
            view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            var start = new byte[TokenFileHeader.Length];
            _ = view.ReadArray(0, start, 0, start.Length);
            header = TokenFileHeader.Parse(path, start, length);
        }
        catch
        {
            view?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>The token file.</summary>
    public string FilePath { get; }

    /// <summary>The number of tokens.</summary>
    public long Count => header.Count;

    /// <summary>The number of ids of the tokenizer that made the file.</summary>
    public int VocabSize => header.VocabSize;

    /// <summary>The id that ends each document, or null.</summary>
    public int? EndOfTextId => header.EndOfTextId < 0 ? null : header.EndOfTextId;

    /// <summary>The SHA-256 of the text and the tokenizer that made the file, in hexadecimal.</summary>
    internal string Key => header.Key;

    /// <summary>Opens a token file.</summary>
    /// <exception cref="TextDataException">It is no token file or is cut short.</exception>
    public static TokenDataset Open(string path) => new(path);

    /// <summary>Makes the token file of <paramref name="documents"/>, or opens it when the same text and tokenizer made it.</summary>
    /// <remarks>A token file of other text, or one that is cut short, is replaced; a file of any other kind never is.</remarks>
    /// <param name="documents">The documents; enumerated once for the hash and again when the file must be made.</param>
    /// <param name="tokenizer">Encodes them; its end-of-text id, if any, ends each.</param>
    /// <param name="path">The token file, written in one step.</param>
    /// <param name="cancellation">Stops between documents; nothing is left behind.</param>
    /// <exception cref="TextDataException">There is no text, the tokenizer gives an id outside its vocabulary, or
    /// <paramref name="path"/> is a file that is no token file.</exception>
    public static TokenDataset Create(IEnumerable<TextDocument> documents, ModelTokenizer tokenizer, string path, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var key = KeyOf(documents, tokenizer);
        if (OpenIfMadeFrom(path, key) is { } made)
            return made;
        Write(path, documents, tokenizer, key, cancellation);
        return new TokenDataset(path);
    }

    /// <summary>Makes or opens two token files, one to train on and one to hold out (<see cref="TextDocuments.Split"/>).</summary>
    /// <param name="documents">The documents; enumerated several times.</param>
    /// <param name="tokenizer">Encodes them.</param>
    /// <param name="path">The token file to train on.</param>
    /// <param name="heldOutPath">The token file that is held out.</param>
    /// <param name="heldOutShare">The chance that a document is held out, between 0 and 1.</param>
    /// <param name="seed">Another seed divides them another way.</param>
    /// <param name="cancellation">Stops between documents; nothing is left behind.</param>
    /// <exception cref="TextDataException">A part has no text: the share is too small or too large for so few documents.</exception>
    /// <inheritdoc cref="Create"/>
    public static (TokenDataset Training, TokenDataset HeldOut) CreateSplit(
        IEnumerable<TextDocument> documents, ModelTokenizer tokenizer, string path, string heldOutPath, double heldOutShare, long seed = 0, CancellationToken cancellation = default)
    {
        var (training, heldOut) = TextDocuments.Split(documents, heldOutShare, seed);
        if (string.Equals(path, heldOutPath, StringComparison.Ordinal))
            throw new ArgumentException($"Both parts would be written to {path}; give the held-out part a file of its own.", nameof(heldOutPath));
        if (!heldOut.Any() || !training.Any())
            throw new TextDataException(heldOut.Any() ? path : heldOutPath, $"no document falls into this part with a held-out share of {heldOutShare.ToString(CultureInfo.InvariantCulture)} and seed {seed}; take another share or seed, or give more documents.");
        var first = Create(training, tokenizer, path, cancellation);
        try
        {
            return (first, Create(heldOut, tokenizer, heldOutPath, cancellation));
        }
        catch
        {
            first.Dispose();
            throw;
        }
    }

    /// <summary>The windows of <paramref name="length"/> tokens that start at <paramref name="starts"/>: (B, L) int64.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A window does not lie inside the data.</exception>
    /// <exception cref="TextDataException">The file holds an id outside its vocabulary.</exception>
    public Tensor Windows(ReadOnlySpan<long> starts, long length)
    {
        ObjectDisposedException.ThrowIf(!view.CanRead, this);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        if (starts.Length > 0 && length > Math.Min(Count, Array.MaxLength / starts.Length))
            throw new ArgumentOutOfRangeException(nameof(length), length, $"{starts.Length} windows of {length} tokens are more than the data has, or than one array holds.");
        var ids = new long[starts.Length * length];
        for (var row = 0; row < starts.Length; row++)
        {
            if (starts[row] < 0 || starts[row] > Count - length)
                throw new ArgumentOutOfRangeException(nameof(starts), starts[row], $"A window of {length} tokens must start between 0 and {Count - length}.");
            Read(starts[row], ids.AsSpan((int)(row * length), (int)length));
        }
        LibTorch.EnsureLoaded();
        return tensor(ids, [starts.Length, length]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        view.Dispose();
        file.Dispose();
    }

    private static TokenDataset? OpenIfMadeFrom(string path, string key)
    {
        if (!Path.Exists(path))
            return null;
        try
        {
            var made = new TokenDataset(path);
            if (made.header.Key == key)
                return made;
            made.Dispose();
        }
        catch (TextDataException) when (TokenFileHeader.Marks(path))
        {
            return null; // cut short: it is made again under the same name
        }
        catch (TextDataException)
        {
            throw new TextDataException(path, "the file is there and is no token file, so it is not overwritten; give the token file a name of its own.");
        }
        return null;
    }

    private void Read(long start, Span<long> ids)
    {
        var at = TokenFileHeader.Length + (start * header.Width);
        for (var i = 0; i < ids.Length; i++, at += header.Width)
        {
            var id = header.Width == 2 ? view.ReadUInt16(at) : view.ReadUInt32(at);
            if (id >= header.VocabSize)
                throw new TextDataException(FilePath, $"token {start + i} has id {id}, outside the vocabulary of {VocabSize}; delete the file, and it is made again.");
            ids[i] = id;
        }
    }
}
