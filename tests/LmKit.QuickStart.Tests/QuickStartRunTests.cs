using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Snapshooter.Xunit;

namespace LmKit.QuickStart.Tests;

public sealed class QuickStartRunTests : IDisposable
{
    private static readonly string[] Words = ["the", "quick", "brown", "method", "returns", "an", "array", "of", "bytes", "when", "null", "value", "is", "given"];
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-quickstart-").FullName;

    [Fact]
    public void The_default_configuration_is_the_one_on_record()
    {
        var services = new ServiceCollection();
        services.AddQuickStartModel(QuickStartSettings.Default, QuickStartSettings.Default.VocabSize, seed: 0);
        using var provider = services.BuildServiceProvider();
        Snapshot.Match(provider.GetRequiredService<LanguageModel>().Config.ToJson());
    }

    [Fact]
    public void A_saved_folder_gives_the_same_greedy_text_in_another_process()
    {
        var model = Path.Combine(folder, "model");
        new QuickStartRun(QuickStartSettings.Toy, model, 1, true).Execute(Split(), Path.Combine(folder, "loss.png"), "the method", CancellationToken.None);
        Assert.True(new FileInfo(Path.Combine(folder, "loss.png")).Length > 1_000);

        var here = new StringWriter();
        new TextStream(model, QuickStartSettings.Toy.GeneratedTokens, 0, true).WriteTo(here, "the method", CancellationToken.None);
        Assert.Equal(here.ToString().Trim(), Elsewhere(model).Trim());
    }

    [Fact]
    public void The_folder_holds_configuration_weights_and_tokenizer()
    {
        var model = Path.Combine(folder, "model");
        new QuickStartRun(QuickStartSettings.Toy, model, 1, true).Execute(Split(), null, null, CancellationToken.None);
        Assert.Equal(
            ["config.json", "lmkit_tokenizer.json", "merges.txt", "model.safetensors", "vocab.json"],
            Directory.EnumerateFiles(model).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_cancelled_run_stops_between_steps_and_writes_no_model()
    {
        using var stop = new CancellationTokenSource();
        var settings = QuickStartSettings.Toy with { Steps = 100_000 };
        var steps = 0;
        var run = new QuickStartRun(settings, Path.Combine(folder, "model"), 1, true);
        run.Stepped += _ =>
        {
            if (++steps == 3)
                stop.Cancel();
        };
        Assert.ThrowsAny<OperationCanceledException>(() => run.Execute(Split(), null, null, stop.Token));
        Assert.Equal(3, steps);
        Assert.False(Directory.Exists(Path.Combine(folder, "model")));
    }

    [Fact]
    public void An_empty_prompt_is_refused_before_the_training()
    {
        var run = new QuickStartRun(QuickStartSettings.Toy, Path.Combine(folder, "model"), 1, true);
        run.Stepped += _ => Assert.Fail("The training began.");
        Assert.Throws<InvalidDataException>(() => run.Execute(Split(), null, "", CancellationToken.None));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static TextSplit Split()
    {
        var random = new Random(3);
        string Text(int count) => string.Join(' ', Enumerable.Range(0, count).Select(_ => Words[random.Next(Words.Length)]));
        return new TextSplit("made up", Text(4_000), Text(400), ["the end"]);
    }

    private static string Elsewhere(string model)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(TextStream).Assembly.Location, "--toy", "--model", model, "--greedy", "--prompt", "the method"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return text;
    }
}
