using System.Diagnostics;

namespace LmKit.LossHashes;

/// <summary>What a program printed, and how it ended.</summary>
internal sealed record ChildProcess(int ExitCode, string Output, string Errors)
{
    private const int TailLines = 40;

    /// <summary>The last lines that it printed.</summary>
    internal string Tail() => string.Join('\n', $"{Output}\n{Errors}".Split('\n').TakeLast(TailLines));

    /// <summary>Runs a .NET program to its end.</summary>
    internal static async Task<ChildProcess> RunAsync(string assembly, IEnumerable<string> arguments, string folder, IReadOnlyDictionary<string, string> variables)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [assembly, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var (name, value) in variables)
            start.Environment[name] = value;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{assembly} did not start.");
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return new ChildProcess(process.ExitCode, await output, await errors);
    }
}
