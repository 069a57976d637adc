using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The command line of the process that measures one case: NAME THREADS time|baseline|ours default|tuned FILE.</summary>
/// <param name="Name">The case's whole name.</param>
/// <param name="Threads">Threads of libtorch; 0 leaves its own choice.</param>
/// <param name="Quantity">What is measured.</param>
/// <param name="IsTuned">Whether the allocator is tuned, which the environment says already.</param>
/// <param name="File">Gets the result.</param>
internal sealed record CaseOptions(string Name, int Threads, CaseQuantity Quantity, bool IsTuned, string File)
{
    internal const string Verb = "ratio-case";

    internal static CaseOptions Parse(IReadOnlyList<string> arguments) => arguments is [var name, var threads, var quantity, var tuned, var file]
        ? new CaseOptions(name, int.Parse(threads, CultureInfo.InvariantCulture), Enum.Parse<CaseQuantity>(quantity), bool.Parse(tuned), file)
        : throw new ArgumentException($"{Verb} is started by ratios; it takes a case's name, threads, quantity, whether the allocator is tuned, and a file.");

    internal IReadOnlyList<string> ToArguments() => [Verb, Name, Threads.ToString(CultureInfo.InvariantCulture), Quantity.ToString(), IsTuned.ToString(), File];
}
