using System.Text.Json;
using TorchSharp;

namespace LmKit.Benchmarks.Ratios;

/// <summary>What the process of one case does: measures it and writes the result.</summary>
internal static class CaseCommand
{
    private const int failed = 1;

    /// <summary>Returns 0, or 1 when the two sides disagree.</summary>
    internal static int Run(IReadOnlyList<string> arguments, TextWriter errors)
    {
        var options = CaseOptions.Parse(arguments);
        LibTorch.EnsureLoaded();
        if (options.Threads > 0)
            torch.set_num_threads(options.Threads);

        try
        {
            var result = options.Quantity == CaseQuantity.Time
                ? JsonSerializer.Serialize(RatioMeasurement.Run(RatioCaseList.All.Single(one => one.Name == options.Name), options.IsTuned))
                : JsonSerializer.Serialize(MemoryMeasurement.Run(MemoryCaseList.All.Single(one => one.Name == options.Name), options.Quantity));
            File.WriteAllText(options.File, result);
            return 0;
        }
        catch (RatioDisagreementException problem)
        {
            errors.WriteLine(problem.Message);
            return failed;
        }
    }
}
