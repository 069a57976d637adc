using System.Reflection;

namespace LmKit.Composition.Tests;

/// <summary>Runs one static method of this assembly by name: <see cref="OwnProcess"/> starts it.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        try
        {
            var method = typeof(Program).Assembly.GetType(arguments[0], throwOnError: true)!
                .GetMethod(arguments[1], BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!;
            _ = method.Invoke(null, [arguments[2..]]);
            return 0;
        }
        catch (Exception error)
        {
            Console.WriteLine((error as TargetInvocationException)?.InnerException ?? error);
            return 1;
        }
    }
}
