using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace LmKit;

/// <summary>Loads TorchSharp's native library on Linux with two remedies: for systems whose libstdc++ is older than GCC 13.2 (Debian 12,
/// Ubuntu 22.04, RHEL 9), and for numbers that are freed while an operation reads them.</summary>
/// <remarks>
/// <para>A copy in memory is loaded in place of the file; no file is changed. The library asks for the symbol version GLIBCXX_3.4.32, which
/// nothing in it needs at run time: the copy's need is marked weak. And TorchSharp may free the number of an operation such as x * 0.5
/// while native code still reads it, where another thread makes the runtime collect garbage at that moment: the copy's function that frees
/// such numbers is ours, which waits two seconds. Other systems have only the library as it is.</para>
/// <para>It registers itself when any type of LmKit.Core is first used. The AppContext switch <c>LmKit.DisableLibTorchCompatibility</c> turns
/// it off. That it acted is said once through <see cref="Trace"/> and stays readable in <see cref="Notice"/>. Thread-safe.</para>
/// </remarks>
public static class LibTorchCompatibility
{
    internal const string SwitchName = "LmKit.DisableLibTorchCompatibility";
    internal const string MissingVersion = "GLIBCXX_3.4.32";
    private const string LibraryName = "LibTorchSharp";
    private const string FileName = "libLibTorchSharp.so";
    private const string FreeScalar = "THSTorch_dispose_scalar";

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
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return;
        AssemblyLoadContext.Default.ResolvingUnmanagedDll += Resolve;
        try
        {
            NativeLibrary.SetDllImportResolver(typeof(TorchSharp.torch).Assembly, (name, assembly, _) => Resolve(assembly, name));
        }
        catch (InvalidOperationException)
        {
            // The application resolves TorchSharp's libraries itself; where that finds none, the event above still serves.
        }
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
        var isMarked = ElfVersionNeed.MarkWeak(image, MissingVersion);
        var plain = image.ToArray();
        var isRedirected = ElfSymbol.Redirect(image, FreeScalar, DeferredScalars.Address);
        if (!isMarked && !isRedirected)
            return 0;
        var handle = NativeImage.Load(image, FileName);
        nint found = 0;
        if (handle != 0 && isRedirected && !(NativeLibrary.TryGetExport(handle, FreeScalar, out found) && found == DeferredScalars.Address))
        {
            // A loader that adds the library's own address to ours.
            NativeLibrary.Free(handle);
            handle = isMarked ? NativeImage.Load(plain, FileName) : 0;
        }
        if (handle == 0)
            return 0;
        Cost = Stopwatch.GetElapsedTime(start);
        var marked = isMarked ? $"its need of {MissingVersion} marked weak, which older systems' libstdc++ lacks" : null;
        var redirected = found == DeferredScalars.Address ? "numbers of operations freed two seconds later, so that no collection takes them from a call" : null;
        Notice = $"LmKit loaded {path} from memory with {string.Join(" and ", new[] { marked, redirected }.OfType<string>())}; set the AppContext switch {SwitchName} to turn this off.";
        Trace.TraceInformation(Notice);
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
