using LLama.Native;

namespace LmKit.Benchmarks.LlamaCpp;

/// <summary>llama.cpp's native library, which LLamaSharp brings: whether it loads on this machine, and what it says.</summary>
internal static class LlamaCppLibrary
{
    private static readonly Lock gate = new();
    private static bool isSilent;

    /// <summary>Why llama.cpp cannot run here, or null if it can.</summary>
    internal static string? Problem()
    {
        Silence();
        try
        {
            return NativeLibraryConfig.LLama.DryRun(out _) ? null : Text("no library for this platform loads");
        }
        catch (Exception problem)
        {
            return Text(problem.Message);
        }

        static string Text(string reason) =>
            $"llama.cpp's native library cannot be loaded ({reason}); LLamaSharp.Backend.Cpu holds it for x64 and Arm, and on Linux it asks for libgomp1";
    }

    /// <summary>Keeps its messages from the output, where they would hide the figures.</summary>
    internal static void Silence()
    {
        lock (gate)
        {
            if (isSilent)
                return;

            NativeLibraryConfig.All.WithLogCallback((_, _) => { });
            isSilent = true;
        }
    }
}
