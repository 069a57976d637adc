using System.Diagnostics;

namespace LmKit.Composition.Tests;

/// <summary>Runs a static method of this assembly in a process of its own.</summary>
internal static class OwnProcess
{
    /// <summary>Runs a method that takes the arguments as one array; fails with its output when it throws.</summary>
    internal static string Run(Action<string[]> method, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(OwnProcess).Assembly.Location, method.Method.DeclaringType!.FullName!, method.Method.Name, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{method.Method.Name} in its own process ended with {process.ExitCode}:\n{output}\n{error.Result}");
        return output;
    }
}
