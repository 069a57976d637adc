using System.IO.Compression;

namespace LmKit;

/// <summary>Unpacks a .gz file of one or several members, and finds out where it was cut short or packs far too much.</summary>
/// <remarks>The framework's stream ends in silence where a file is cut. Here a member of known content follows the file's own: it comes
/// out at the end only if the last of those was whole.</remarks>
internal sealed class UnpackingStream : ForwardStream
{
    // Texts pack to a third or a tenth of their size; what packs far better is no text that teaches anything.
    private const long MaxRatio = 50;
    private const long FreeLength = 16 << 20;

    private static readonly byte[] Mark = "\u0001LmKit end mark\u0002"u8.ToArray();
    private static readonly byte[] MarkMember = Pack(Mark);

    private readonly string path;
    private readonly long most;
    private readonly GZipStream unpacked;
    private readonly byte[] buffer = new byte[1 << 16];
    private int start;
    private int end;
    private long total;
    private bool isAtEnd;

    internal UnpackingStream(string path, FileStream file)
    {
        this.path = path;
        most = FreeLength + (MaxRatio * file.Length);
        unpacked = new GZipStream(new MarkedFile(file), CompressionMode.Decompress);
    }

    public override int Read(Span<byte> buffer)
    {
        while (!isAtEnd && end - start <= Mark.Length)
            Fill();
        var count = Math.Min(buffer.Length, end - start - Mark.Length);
        if (count <= 0)
            return 0;
        this.buffer.AsSpan(start, count).CopyTo(buffer);
        start += count;
        return count;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(Read(buffer.Span));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            unpacked.Dispose();
        base.Dispose(disposing);
    }

    private void Fill()
    {
        buffer.AsSpan(start, end - start).CopyTo(buffer);
        (start, end) = (0, end - start);
        int count;
        try
        {
            count = unpacked.Read(buffer, end, buffer.Length - end);
        }
        catch (InvalidDataException error)
        {
            throw new DatasetException(path, $"the file is damaged, cut short, or not packed as .gz: {error.Message} Fetch it again.", error);
        }
        (end, total) = (end + count, total + count);
        if (total > most)
            throw new DatasetException(path, $"the file unpacks to more than {MaxRatio} times its size, which no text does. Unpack it beforehand if it is sound.");
        if (count > 0)
            return;
        isAtEnd = true;
        if (!buffer.AsSpan(start, end - start).SequenceEqual(Mark))
            throw new DatasetException(path, "the file is cut short, or something that is not packed stands behind its end. Fetch it again.");
    }

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var stream = new GZipStream(packed, CompressionLevel.Optimal))
            stream.Write(bytes);
        return packed.ToArray();
    }

    // The file, then the mark's member in one piece with the file's last byte, as the unpacker looks for a further member only behind one.
    private sealed class MarkedFile(FileStream file) : ForwardStream
    {
        private bool isDone;

        public override int Read(Span<byte> buffer)
        {
            if (isDone)
                return 0;
            var left = file.Length - file.Position;
            if (left + MarkMember.Length > buffer.Length)
                return file.Read(buffer[..(int)Math.Min(buffer.Length, Math.Max(1, left - 1))]);
            var count = file.ReadAtLeast(buffer[..(int)left], (int)left, throwOnEndOfStream: false);
            MarkMember.CopyTo(buffer[count..]);
            isDone = true;
            return count + MarkMember.Length;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                file.Dispose();
            base.Dispose(disposing);
        }
    }
}

/// <summary>A stream that is read from its beginning to its end and does nothing else.</summary>
internal abstract class ForwardStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
