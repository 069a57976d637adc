using System.Diagnostics;
using System.Globalization;
using LmKit.Conformance;
using Microsoft.Extensions.AI;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Many generations, some given up half-way, leave no tensor and no memory behind.</summary>
public sealed class ManyGenerationsTests
{
    private const long MegaByte = 1 << 20;
    private const long AllowedGrowth = 24 * MegaByte;

    [Fact]
    public void Generations_leave_nothing_behind() => OwnProcess.Check(Generate, "150");

    [Fact]
    [Trait("Category", "Long")]
    public void Two_thousand_generations_leave_nothing_behind() => OwnProcess.Check(Generate, "2000");

    private static void Generate(string[] arguments)
    {
        LibTorch.EnsureLoaded();
        set_num_threads(1);
        var count = int.Parse(arguments[0], CultureInfo.InvariantCulture);
        using var model = new LanguageModelBuilder { VocabSize = 257, ModelDim = 32, LayerCount = 3 }
            .AddH3().AddAttention(attention => attention.HeadCount = 4, layers: [1]).AddSelectiveScan(layers: [2]).AddLambdaMask(lambda => lambda.LocalLength = 8).AddMonarchLinear().Build();
        using var client = model.AsChatClient(ModelTokenizer.Bytes);
        var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
        Run(0, 100);
        var (memory, tensors, all) = (Memory(), LiveTensors.Count, Tensor.TotalCount);
        Run(100, count);
        var grown = Memory() - memory;
        Console.WriteLine($"{count} generations: live tensors {tensors} and then {LiveTensors.Count}, resident {memory / MegaByte} MiB and then {(memory + grown) / MegaByte} MiB");
        Assert.Equal(tensors, LiveTensors.Count);
        Assert.Equal(all, Tensor.TotalCount);
        Assert.InRange(grown, long.MinValue, AllowedGrowth);

        void Run(int from, int to)
        {
            for (var index = from; index < to; index++)
            {
                generator.Generate(["some text", "other"], new GenerationOptions { MaxOutputTokens = 6, Seed = (long)index });
                _ = generator.Stream("given up", new GenerationOptions { MaxOutputTokens = 6 }).Take(2).Count();
                // On threads of the pool, which count their own tensors.
                _ = Task.Run(() => client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 2, TopK = 5 })).GetAwaiter().GetResult();
            }
        }
    }

    private static long Memory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
