using System.Diagnostics;
using System.Reflection;
using Xunit;

namespace LmKit.Conformance;

/// <summary>Runs static methods of a test assembly in processes of their own, for tests that kill, crash or fill one.</summary>
/// <remarks>The test assembly's <c>Main</c> is <see cref="Serve"/>.</remarks>
public static class OwnProcess
{
    /// <summary>What a test assembly's Main does: runs the method that <see cref="Start"/> named.</summary>
    /// <returns>0, or 1 when the method threw, whose error is printed.</returns>
    public static int Serve(Assembly assembly, string[] arguments)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        ArgumentNullException.ThrowIfNull(arguments);
        try
        {
            var method = assembly.GetType(arguments[0], throwOnError: true)!.GetMethod(arguments[1], BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!;
            _ = method.Invoke(null, [arguments[2..]]);
            return 0;
        }
        catch (Exception error)
        {
            Console.WriteLine((error as TargetInvocationException)?.InnerException ?? error);
            return 1;
        }
    }

    /// <summary>Starts a static method that takes the arguments as one array; its output can be read.</summary>
    public static Process Start(Action<string[]> method, params string[] arguments)
    {
        ArgumentNullException.ThrowIfNull(method);
        var type = method.Method.DeclaringType!;
        return Process.Start(new ProcessStartInfo("dotnet", ["exec", type.Assembly.Location, type.FullName!, method.Method.Name, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    /// <summary>Runs it to its end: its exit status and what it printed.</summary>
    public static (int Status, string Output) Run(Action<string[]> method, params string[] arguments)
    {
        using var process = Start(method, arguments);
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, $"{output}\n{error.Result}");
    }

    /// <summary>Runs it to its end; fails with its output when it throws.</summary>
    public static void Check(Action<string[]> method, params string[] arguments)
    {
        var (status, output) = Run(method, arguments);
        Assert.True(status == 0, $"{method?.Method.Name} in its own process ended with {status}:\n{output}");
    }
}
