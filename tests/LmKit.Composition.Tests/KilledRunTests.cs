using System.Diagnostics;
using System.Globalization;

using LmKit.Conformance;

namespace LmKit.Composition.Tests;

/// <summary>A run whose process is killed at random moments, and started again, comes to what an uninterrupted one does, bit for bit.</summary>
public sealed class KilledRunTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-killed-").FullName;

    public static TheoryData<string> Kinds => [.. KilledRun.Kinds];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Three_kills_change_nothing_of_a_run()
    {
        KillAndCompare("next-token", 1);
        KillAndCompare("autoencoder", 1);
        KillAndCompare("distillation", 1);
    }

    [Theory]
    [Trait("Category", "Long")]
    [MemberData(nameof(Kinds))]
    public void Six_kills_change_nothing_of_any_run(string kind) => KillAndCompare(kind, 6);

    private void KillAndCompare(string kind, int kills)
    {
        var (whole, killed) = (Make(kind, "whole"), Make(kind, "killed"));
        Assert.Equal((long)KilledRun.Steps, Start(kind, whole, long.MaxValue, 0));
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var reached = 0L;
        for (var kill = 0; kill < kills && reached < KilledRun.Steps - 1; kill++)
            reached = Start(kind, killed, random.NextInt64(reached + 1, Math.Min(KilledRun.Steps, reached + 1 + (KilledRun.Steps / kills))), random.Next(60));
        Start(kind, killed, long.MaxValue, 0);
        Assert.True(
            File.ReadAllBytes(Path.Combine(whole, KilledRun.Result)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(killed, KilledRun.Result))),
            $"{kind} killed with seed {seed} came to something else.");
    }

    private string Make(string kind, string name) => Directory.CreateDirectory(Path.Combine(folder, kind, name)).FullName;

    // The last step that the process told of: to the end, or killed so many milliseconds after it told of a step.
    private static long Start(string kind, string target, long killedAfter, int delay)
    {
        using var process = OwnProcess.Start(KilledRun.TrainIn, kind, target);
        var error = process.StandardError.ReadToEndAsync();
        var (last, rest) = (0L, new List<string>());
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (!long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var step))
            {
                rest.Add(line);
                continue;
            }
            last = step;
            if (step < killedAfter)
                continue;
            Thread.Sleep(delay);
            process.Kill();
            killedAfter = long.MaxValue;
        }
        process.WaitForExit();
        Assert.True(rest.Count == 0, $"{kind} failed: {string.Join(Environment.NewLine, rest)}{error.Result}");
        return last;
    }
}
