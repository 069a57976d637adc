using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace LmKit;

/// <summary>Loads a shared library whose bytes are in memory (Linux).</summary>
internal static partial class NativeImage
{
    private const uint CloseOnExec = 1;

    // glibc knows a loaded library by its path. Were the descriptor closed, the next file under its number would be taken for this one.
    private static readonly List<SafeFileHandle> Loaded = [];

    /// <summary>Loads <paramref name="image"/>; zero when the system's loader refuses it.</summary>
    /// <remarks>
    /// An anonymous memory file comes first: it has no path that another user could replace. Where the kernel offers
    /// none, a folder that only this user can enter serves, and is removed once the library is mapped.
    /// </remarks>
    internal static nint Load(ReadOnlySpan<byte> image, string name)
    {
        var handle = LoadFromMemoryFile(image, name);
        return handle != 0 ? handle : LoadFromPrivateFolder(image, name);
    }

    internal static nint LoadFromMemoryFile(ReadOnlySpan<byte> image, string name)
    {
        var file = CreateMemoryFile(name, CloseOnExec);
        if (file.IsInvalid)
            return 0;
        RandomAccess.Write(file, image, 0);
        if (NativeLibrary.TryLoad($"/proc/self/fd/{file.DangerousGetHandle()}", out var handle))
        {
            lock (Loaded)
                Loaded.Add(file);
        }
        else
        {
            file.Dispose();
        }
        return handle;
    }

    internal static nint LoadFromPrivateFolder(ReadOnlySpan<byte> image, string name)
    {
        var folder = Directory.CreateTempSubdirectory("lmkit-"); // mode 0700, unpredictable name
        try
        {
            var path = Path.Combine(folder.FullName, name);
            File.WriteAllBytes(path, image);
            _ = NativeLibrary.TryLoad(path, out var handle);
            return handle;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial SafeFileHandle CreateMemoryFile(string name, uint flags);
}
