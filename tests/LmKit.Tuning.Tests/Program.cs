using LmKit.Conformance;

namespace LmKit.Tuning.Tests;

/// <summary>Serves tests that need a process of their own.</summary>
internal static class Program
{
    private static int Main(string[] arguments) => OwnProcess.Serve(typeof(Program).Assembly, arguments);
}
