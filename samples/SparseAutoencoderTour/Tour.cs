using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>The runs by name.</summary>
public static class Tour
{
    /// <summary>Does one run with one seed.</summary>
    public static void Execute(string name, TourSettings settings, Report report, ulong seed)
    {
        switch (name)
        {
            case "r1":
                TheoryRun.Execute(report, seed);
                break;
            case "r2":
                new RecoveryRun(settings, report, seed).Execute();
                break;
            case "r4":
                new IoiRun(settings, report, seed).Execute();
                break;
            case "r5":
                OcclusionRun.Execute(settings, report, seed);
                break;
            case "r6":
                SplittingRun.Execute(settings, report, seed);
                break;
            default:
                throw new ArgumentException($"There is no run '{name}'.", nameof(name));
        }
    }

    /// <summary>The head of the report: what was run, and on what.</summary>
    public static string Head(string run, IReadOnlyList<ulong> seeds) => FormattableString.Invariant(
        $"# Sparse autoencoder tour\n\n`dotnet run -c Release --project samples/SparseAutoencoderTour -- --run {run} --seed {string.Join(' ', seeds)} --out docs/results`, {DateTime.UtcNow:yyyy-MM-dd}, {get_num_threads()} torch thread(s), {RuntimeInformation.ProcessArchitecture}.\n\n");
}
