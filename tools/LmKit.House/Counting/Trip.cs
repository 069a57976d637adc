using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.House;

/// <summary>A way through the packages whose types are counted: what is built before, and what then runs.</summary>
/// <remarks>Runs in a process of its own. Only methods that the trip is the first to call are seen, so a type counts when a method of it
/// runs that building did not run already. The compiler inlines short methods; a type all of whose methods are inlined is not seen, but
/// where nothing is inlined it is.</remarks>
internal static class Trip
{
    internal const string Prompt = "prompt";
    internal const string PromptWithH3 = "prompt-h3";
    internal const string Training = "training";

    private const string Text = "The quick brown fox jumps over the lazy dog.";

    /// <summary>The LmKit types whose methods a fresh process compiles on a trip, in order of their names.</summary>
    internal static IReadOnlyList<string> Types(string name, bool inlines)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["trip", name]) { RedirectStandardOutput = true };
        // Without tiers a method is compiled once and optimised at once; with tiers its first code inlines nothing.
        start.Environment["DOTNET_TieredCompilation"] = inlines ? "0" : "1";
        start.Environment["DOTNET_TieredPGO"] = "0";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            : throw new InvalidOperationException($"The trip '{name}' ended with {process.ExitCode}.");
    }

    /// <summary>Takes a trip in this process and prints its types.</summary>
    internal static int Take(string name)
    {
        var folder = Directory.CreateTempSubdirectory("lmkit-house").FullName;
        try
        {
            var run = name switch
            {
                Prompt => Generating(builder => builder.AddAttention(attention => attention.HeadCount = 2)),
                PromptWithH3 => Generating(builder => builder.AddH3(h3 => h3.StateDim = 4)),
                Training => OneStep(folder),
                _ => throw new ArgumentException($"'{name}' is not a trip; the trips are {Prompt}, {PromptWithH3} and {Training}.", nameof(name)),
            };
            foreach (var type in CompiledTypes.During(run))
                Console.WriteLine(type);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Before: model, tokenizer and text generator. The trip: a prompt to its continuation.
    private static Action Generating(Action<LanguageModelBuilder> compose)
    {
        var model = Model(compose);
        model.eval();
        var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
        return () => _ = generator.Generate([Text], new GenerationOptions { MaxOutputTokens = 8, Seed = 1 });
    }

    // Before: the model. The trip: from the text file through the token file to one step of the trainer.
    private static Action OneStep(string folder)
    {
        var model = Model(builder => builder.AddAttention(attention => attention.HeadCount = 2));
        var path = Path.Combine(folder, "text.txt");
        File.WriteAllText(path, string.Concat(Enumerable.Repeat(Text, 8)));
        return () =>
        {
            using var data = TokenDataset.Create(TextDocuments.Read(path), ModelTokenizer.Bytes, Path.Combine(folder, "text.tokens"));
            using var trainer = new Trainer(new LanguageModelTask(model, data, length: 16, batchSize: 2, seed: 1), new TrainingOptions { Steps = 1 });
            trainer.Run();
        };
    }

    private static LanguageModel Model(Action<LanguageModelBuilder> compose)
    {
        set_num_threads(1);
        var builder = new LanguageModelBuilder { VocabSize = ModelTokenizer.Bytes.VocabSize, ModelDim = 16, LayerCount = 2 };
        compose(builder);
        return builder.Build();
    }
}
