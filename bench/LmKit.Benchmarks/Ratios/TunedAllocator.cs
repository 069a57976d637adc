using System.Diagnostics;
using System.Reflection;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Runs the same cases again in a process whose glibc keeps large blocks instead of mapping and unmapping them.</summary>
/// <remarks>With glibc's own thresholds a large temporary is fresh memory at every operation, and libtorch's chains of temporaries pay for it in
/// page faults. A ratio against that baseline alone would claim the allocator's cost as our gain. glibc reads the thresholds at start, hence a process.</remarks>
internal static class TunedAllocator
{
    private const string _mapThreshold = "MALLOC_MMAP_THRESHOLD_";
    private const string _trimThreshold = "MALLOC_TRIM_THRESHOLD_";
    private const string _threshold = "4294967296";   // 4 GiB: above every temporary

    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>The allocator variables already set, which would make the default run a tuned one.</summary>
    public static IReadOnlyList<string> AlreadySet() =>
        [.. new[] { _mapThreshold, _trimThreshold }.Where(name => Environment.GetEnvironmentVariable(name) is not null)];

    /// <summary>Starts the process, relays its lines, and returns its exit code.</summary>
    public static int Run(RatioOptions options, TextWriter output, TextWriter errors)
    {
        using var process = new Process { StartInfo = StartInfo(options) };
        process.OutputDataReceived += (_, line) => Relay(output, line.Data);
        process.ErrorDataReceived += (_, line) => Relay(errors, line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        return process.ExitCode;
    }

    private static ProcessStartInfo StartInfo(RatioOptions options)
    {
        // The program is its own executable, or a library that `dotnet` runs.
        var host = Environment.ProcessPath ?? throw new InvalidOperationException("The path of this process is unknown, so it cannot start itself again.");
        string[] program = Path.GetFileNameWithoutExtension(host) == "dotnet" ? [Assembly.GetExecutingAssembly().Location] : [];
        var arguments = program.Append("ratios").Concat((options with { IsTuned = true }).ToArguments());
        return new ProcessStartInfo(host, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { [_mapThreshold] = _threshold, [_trimThreshold] = _threshold },
        };
    }

    private static void Relay(TextWriter writer, string? line)
    {
        if (line is not null)
        {
            writer.WriteLine(line);
        }
    }
}
