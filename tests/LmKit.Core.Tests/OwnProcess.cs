using System.Diagnostics;

namespace LmKit.Core.Tests;

/// <summary>Runs a static method of this assembly in a process of its own.</summary>
internal static class OwnProcess
{
    /// <summary>Starts a method that takes the arguments as one array.</summary>
    internal static Process Start(Action<string[]> method, params string[] arguments) => Process.Start(
        new ProcessStartInfo("dotnet", ["exec", typeof(OwnProcess).Assembly.Location, method.Method.DeclaringType!.FullName!, method.Method.Name, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;

    /// <summary>Runs it to its end; its exit status and what it printed.</summary>
    internal static (int Status, string Output) Run(Action<string[]> method, params string[] arguments)
    {
        using var process = Start(method, arguments);
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }
}
