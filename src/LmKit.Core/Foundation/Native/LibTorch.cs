using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;

namespace LmKit;

/// <summary>Loads libtorch once and says in one sentence what to do when it is missing.</summary>
/// <remarks>Entry points of LmKit call <see cref="EnsureLoaded"/> before their first tensor. Thread-safe.</remarks>
public static class LibTorch
{
    private static readonly Lock Gate = new();
    private static volatile bool isLoaded;

    /// <summary>Loads TorchSharp's native library unless that has happened.</summary>
    /// <exception cref="LibTorchNotFoundException">The application references no libtorch package, or the system cannot load it.</exception>
    public static void EnsureLoaded()
    {
        if (isLoaded)
            return;
        lock (Gate)
        {
            var assembly = typeof(torch).Assembly;
            try
            {
                // The same order as TorchSharp's own loader, which prints its trace to the console when it fails.
                _ = NativeLibrary.TryLoad("torch_cpu", assembly, null, out _);
                _ = NativeLibrary.Load("LibTorchSharp", assembly, null);
                torch.InitializeDeviceType(DeviceType.CPU);
            }
            catch (Exception failure) when (failure is DllNotFoundException or BadImageFormatException or NotSupportedException or TypeInitializationException)
            {
                throw Explain(NativeSearchPath.Directories(assembly), failure);
            }
            isLoaded = true;
        }
    }

    /// <summary>The sentence for a failed load, by whether libtorch's files are in <paramref name="directories"/>.</summary>
    internal static LibTorchNotFoundException Explain(IEnumerable<string> directories, Exception failure)
    {
        var file = OperatingSystem.IsWindows() ? "torch_cpu.dll" : OperatingSystem.IsMacOS() ? "libtorch_cpu.dylib" : "libtorch_cpu.so";
        var path = NativeSearchPath.Find(directories, file);
        return new LibTorchNotFoundException(
            path is null
                ? "LmKit needs libtorch, which this application does not reference: run `dotnet add package TorchSharp-cpu` (or TorchSharp-cuda-linux, TorchSharp-cuda-windows for a GPU) in its project folder."
                : $"libtorch is present at {path}, but this system could not load it: {Reason(failure.GetBaseException().Message)}",
            failure);
    }

    // The runtime's message lists every path it tried, a line each; the line that names a version is the cause.
    private static string Reason(string message)
    {
        var lines = message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return lines.FirstOrDefault(line => line.Contains("GLIBC", StringComparison.Ordinal)) ?? lines[0];
    }
}

/// <summary>libtorch, on which every tensor depends, is missing or cannot be loaded.</summary>
public sealed class LibTorchNotFoundException : Exception
{
    /// <summary>Makes the exception with a sentence that names the remedy and the loader's own error.</summary>
    public LibTorchNotFoundException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>The folders in which the runtime looks for the application's native libraries.</summary>
internal static class NativeSearchPath
{
    /// <summary>The runtime's own list, then the folders beside the application and beside <paramref name="assembly"/>.</summary>
    internal static IEnumerable<string> Directories(Assembly assembly)
    {
        var listed = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? string.Empty;
        var beside = new[] { AppContext.BaseDirectory, Path.GetDirectoryName(assembly.Location) ?? string.Empty };
        return listed.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Concat(beside.Where(folder => folder.Length > 0)
                .SelectMany(folder => new[] { folder, Path.Combine(folder, "runtimes", "linux-x64", "native") }))
            .Distinct();
    }

    /// <summary>The first file called <paramref name="fileName"/> in <paramref name="directories"/>, or null.</summary>
    internal static string? Find(IEnumerable<string> directories, string fileName) =>
        directories.Select(folder => Path.Combine(folder, fileName)).FirstOrDefault(File.Exists);
}
