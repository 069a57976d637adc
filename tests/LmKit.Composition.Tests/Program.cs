namespace LmKit.Composition.Tests;

/// <summary>The process that <see cref="KilledRunTests"/> starts and kills: trains one kind of run in one folder.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        try
        {
            KilledRun.Train(arguments[0], arguments[1]);
            return 0;
        }
        catch (Exception error)
        {
            Console.WriteLine(error);
            return 1;
        }
    }
}
