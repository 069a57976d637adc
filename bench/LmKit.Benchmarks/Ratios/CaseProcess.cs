using System.Diagnostics;
using System.Reflection;
using System.Text.Json;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Measures one case in a fresh process, so that no figure depends on what earlier cases left in the allocator.</summary>
internal static class CaseProcess
{
    /// <summary>Runs it and reads what it measured.</summary>
    /// <typeparam name="T">A <see cref="RatioResult"/>, or bytes.</typeparam>
    /// <param name="options">What to measure; the file is chosen here.</param>
    /// <param name="environment">Variables that the process gets.</param>
    /// <exception cref="CaseFailedException">It ended without a result.</exception>
    internal static T Run<T>(CaseOptions options, IReadOnlyDictionary<string, string> environment)
    {
        var file = Path.GetTempFileName();
        try
        {
            using var process = new Process { StartInfo = StartInfo(options with { File = file }, environment) };
            process.Start();
            var errors = process.StandardError.ReadToEnd().Trim();
            process.WaitForExit();
            if (process.ExitCode != 0)
                throw new CaseFailedException(errors.Length > 0 ? errors : $"{options.Name}: its process ended with code {process.ExitCode}.");

            return JsonSerializer.Deserialize<T>(File.ReadAllText(file)) ?? throw new CaseFailedException($"{options.Name}: its process wrote nothing.");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static ProcessStartInfo StartInfo(CaseOptions options, IReadOnlyDictionary<string, string> environment)
    {
        // The program is its own executable, or a library that `dotnet` runs.
        var host = Environment.ProcessPath ?? throw new InvalidOperationException("The path of this process is unknown, so it cannot start itself again.");
        string[] program = Path.GetFileNameWithoutExtension(host) == "dotnet" ? [Assembly.GetExecutingAssembly().Location] : [];
        var start = new ProcessStartInfo(host, program.Concat(options.ToArguments())) { RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        return start;
    }
}
