using System.Globalization;
using LmKit.Conformance;

namespace LmKit.Tuning.Tests;

/// <summary>A run whose process is killed again and again makes the same data set as one that is left alone.</summary>
public sealed class DatasetKillTests
{
    private const int Count = 400;
    private const int Further = 12;
    private const int Kills = 3;

    [Fact]
    public async Task Killed_processes_lose_no_document_and_ask_again_for_few()
    {
        using var folder = new TemporaryFolder();
        var expected = await Make(folder["whole"], null);
        var random = new Random(7);
        var (asked, kills) = (0, 0);
        while (kills < Kills)
        {
            // Killed a moment after so many answers, in the midst of what it writes.
            var answers = Killed(folder["killed"], 20 + random.Next(20), random.Next(4));
            (asked, kills) = (asked + answers, kills + 1);
        }
        var journal = Path.Combine(folder["killed"], "journal.jsonl");
        Assert.True(new FileInfo(journal).Length > 0);
        var last = new ScriptedTeacher();
        var actual = await Make(folder["killed"], last);

        Assert.Equal(expected, actual);
        Assert.InRange(last.Calls, 1, Count - Kills * (20 - 8)); // what was answered and journalled is not asked again
        Assert.True(asked + last.Calls >= Count);
    }

    private static int Killed(string folder, int after, int delay)
    {
        using var process = OwnProcess.Start(Run, folder, (after + Further).ToString(CultureInfo.InvariantCulture));
        var error = process.StandardError.ReadToEndAsync();
        var answers = 0;
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (!int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            {
                process.Kill(); // its errors end with it
                Assert.Fail($"{line}{error.Result}");
            }
            if (++answers != after)
                continue;
            Thread.Sleep(delay);
            process.Kill();
        }
        process.WaitForExit();
        return answers;
    }

    private static void Run(string[] arguments)
    {
        var said = new Lock();
        var most = int.Parse(arguments[1], CultureInfo.InvariantCulture);
        var teacher = new ScriptedTeacher((_, call) =>
        {
            if (call > most)
                Thread.Sleep(Timeout.Infinite); // so that a busy machine is never done before it is killed
            lock (said)
            {
                Console.WriteLine(call.ToString(CultureInfo.InvariantCulture));
                Console.Out.Flush();
            }
            Thread.Sleep(5);
            return null;
        });
        _ = Make(arguments[0], teacher).GetAwaiter().GetResult();
    }

    private static async Task<byte[]> Make(string folder, ScriptedTeacher? teacher)
    {
        var dataset = new NonInstructionalDataset(teacher ?? new ScriptedTeacher(), new DatasetOptions { MinWords = 4, MaxConcurrency = 4, RequestTimeoutSeconds = 600 });
        var report = await dataset.RunAsync(Documents(), folder);
        Assert.Equal(Count, report.KeptCount);
        return await File.ReadAllBytesAsync(report.DataFile);
    }

    private static async IAsyncEnumerable<SourceDocument> Documents()
    {
        for (var index = 0; index < Count; index++)
        {
            await Task.Yield();
            yield return new SourceDocument(index, $"doc-{index}", $"doc{index} one two three");
        }
    }
}
