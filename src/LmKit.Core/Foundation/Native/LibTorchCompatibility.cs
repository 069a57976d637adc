using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace LmKit;

/// <summary>Lets TorchSharp load on Linux systems whose libstdc++ is older than GCC 13.2 (Debian 12, Ubuntu 22.04, RHEL 9).</summary>
/// <remarks>
/// TorchSharp's native library asks for the symbol version GLIBCXX_3.4.32, which nothing in it needs at run time. After
/// the ordinary load has failed, a copy in memory with that one need marked weak is loaded instead; no file is changed.
/// A system on which TorchSharp loads never gets here. It registers itself when any type of LmKit.Core is first used.
/// The AppContext switch <c>LmKit.DisableLibTorchCompatibility</c> turns it off. That it acted is said once through
/// <see cref="Trace"/> and stays readable in <see cref="Notice"/>. Thread-safe.
/// </remarks>
public static class LibTorchCompatibility
{
    internal const string SwitchName = "LmKit.DisableLibTorchCompatibility";
    internal const string MissingVersion = "GLIBCXX_3.4.32";
    private const string LibraryName = "LibTorchSharp";
    private const string FileName = "libLibTorchSharp.so";

    private static readonly Lock Gate = new();
    private static nint loaded;

    /// <summary>One sentence that says what was done, or null when the remedy did not act.</summary>
    public static string? Notice { get; private set; }

    /// <summary>Time spent reading, changing and loading the copy, without the load of libtorch itself.</summary>
    internal static TimeSpan Cost { get; private set; }

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The remedy must stand before the first tensor, whichever type of LmKit is used first.")]
    internal static void Register()
    {
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64)
            AssemblyLoadContext.Default.ResolvingUnmanagedDll += Resolve;
    }

    private static nint Resolve(Assembly assembly, string name)
    {
        if (name != LibraryName || (AppContext.TryGetSwitch(SwitchName, out var isOff) && isOff))
            return 0;
        lock (Gate)
            return loaded != 0 ? loaded : loaded = LoadPatched(NativeSearchPath.Directories(assembly).ToArray());
    }

    private static nint LoadPatched(string[] directories)
    {
        var path = NativeSearchPath.Find(directories, FileName);
        if (path is null || !LoadDependencies(directories))
            return 0;
        var start = Stopwatch.GetTimestamp();
        var image = File.ReadAllBytes(path);
        if (!ElfVersionNeed.MarkWeak(image, MissingVersion))
            return 0;
        var handle = NativeImage.Load(image, FileName);
        if (handle != 0)
        {
            Cost = Stopwatch.GetElapsedTime(start);
            Notice = $"LmKit loaded {path} from memory with its need of {MissingVersion} marked weak, because this system's libstdc++ is older; set the AppContext switch {SwitchName} to turn this off.";
            Trace.TraceInformation(Notice);
        }
        return handle;
    }

    // The copy has no folder of its own, so the loader must already hold what it depends on.
    private static bool LoadDependencies(string[] directories)
    {
        foreach (var file in (ReadOnlySpan<string>)["libc10.so", "libtorch_cpu.so", "libtorch.so"])
        {
            var path = NativeSearchPath.Find(directories, file);
            if (path is null || !NativeLibrary.TryLoad(path, out _))
                return false;
        }
        return true;
    }
}
