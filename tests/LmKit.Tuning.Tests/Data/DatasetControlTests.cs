using System.Net;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace LmKit.Tuning.Tests;

public class DatasetControlTests
{
    [Fact]
    public async Task Too_many_requests_halve_the_limit_and_successes_raise_it_again()
    {
        using var limit = new AdaptiveLimit(8);
        limit.Halve();
        limit.Halve();
        Assert.Equal(2, limit.Current);
        for (var request = 0; request < 50; request++)
            limit.Succeed();
        Assert.Equal(3, limit.Current);
        for (var request = 0; request < 1000; request++)
            limit.Succeed();
        Assert.Equal(8, limit.Current);
        for (var request = 0; request < 9; request++)
            limit.Halve();
        Assert.Equal(1, limit.Current);
        await limit.EnterAsync(default);
        var second = limit.EnterAsync(default);
        Assert.False(second.IsCompleted);
        limit.Exit();
        await second.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_run_in_which_too_much_fails_stops_and_keeps_what_is_done()
    {
        using var folder = new TemporaryFolder();
        var teacher = new ScriptedTeacher((_, call) => call % 3 == 0 ? HttpStatusCode.BadRequest : null);

        var error = await Assert.ThrowsAsync<RequestFailuresException>(() => new NonInstructionalDataset(teacher, Options()).RunAsync(Documents(200), folder["d"]));

        Assert.InRange(teacher.Calls, 20, 40);
        Assert.True(error.Failures > error.Items * 0.2);
        var patient = Options();
        (patient.MaxFailureRate, patient.RetriesFailed) = (1, true);
        Assert.Equal(200, (await new NonInstructionalDataset(new ScriptedTeacher(), patient).RunAsync(Documents(200), folder["d"])).KeptCount);
    }

    [Fact]
    public async Task Five_hundred_documents_with_failures_give_the_same_bytes_at_any_concurrency_and_after_any_stop()
    {
        using var folder = new TemporaryFolder();
        var expected = await Run("whole", 1);
        Assert.Equal(490, expected.Report.KeptCount);
        foreach (var concurrency in new[] { 7, 64 })
            Assert.Equal(expected.Bytes, (await Run($"c{concurrency}", concurrency)).Bytes);

        for (var stop = 0; stop < 20; stop++)
        {
            using var cancel = new CancellationTokenSource();
            var teacher = Teacher((_, call) => { if (call >= 20) cancel.Cancel(); return null; });
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Dataset(teacher, 16).RunAsync(Documents(500), folder["stopped"], cancellation: cancel.Token));
            // What a kill leaves: the last line torn.
            var journal = Path.Combine(folder["stopped"], "journal.jsonl");
            var bytes = await File.ReadAllBytesAsync(journal);
            await File.WriteAllBytesAsync(journal, bytes[..Math.Max(0, bytes.Length - stop)]);
        }
        Assert.Equal(expected.Bytes, (await Run("stopped", 16)).Bytes);

        async Task<(byte[] Bytes, DatasetReport Report)> Run(string name, int concurrency)
        {
            var report = await Dataset(Teacher(null), concurrency).RunAsync(Documents(500), folder[name]);
            return (await File.ReadAllBytesAsync(report.DataFile), report);
        }

        NonInstructionalDataset Dataset(ScriptedTeacher teacher, int concurrency) =>
            new(teacher, new DatasetOptions { MinWords = 4, MaxConcurrency = concurrency, RequestTimeoutSeconds = 36_000 }, new FastTime());

        // Every tenth document fails once and then passes, every fiftieth fails for good.
        ScriptedTeacher Teacher(Func<string, int, HttpStatusCode?>? more)
        {
            var tried = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>();
            return new ScriptedTeacher((prompt, call) =>
            {
                var number = int.Parse(prompt.Split(' ')[0][3..], System.Globalization.CultureInfo.InvariantCulture);
                return number % 50 == 7 ? HttpStatusCode.BadRequest
                    : number % 10 == 3 && tried.TryAdd(prompt, true) ? (number % 20 == 3 ? HttpStatusCode.TooManyRequests : HttpStatusCode.ServiceUnavailable)
                    : more?.Invoke(prompt, call);
            });
        }
    }

    [Fact]
    public async Task The_estimate_and_the_budget_go_by_the_price()
    {
        using var folder = new TemporaryFolder();
        var options = Options();
        options.SystemPrompt = "";
        options.Price = new TokenPrice { InputPerMillion = 1e6, OutputPerMillion = 2e6 };
        var dataset = new NonInstructionalDataset(new ScriptedTeacher(), options) { Tokenizer = ModelTokenizer.Bytes.Tokenizer };

        var estimate = await dataset.EstimateCostAsync(Documents(100));

        // "docNN one" is read and "two three" is written, a token a byte.
        Assert.Equal((100L, 90 * 9.0 + 10 * 8, 900.0), (estimate.Documents, estimate.InputTokens, estimate.OutputTokens));
        Assert.Equal(estimate.InputTokens + 2 * estimate.OutputTokens, estimate.Cost, 1e-9);
        Assert.Equal((estimate.Cost, estimate.Cost), (estimate.Low, estimate.High));

        (options.MaxCost, options.MaxOutputTokens) = (500, 9);
        var report = await dataset.RunAsync(Documents(100), folder["d"]);
        Assert.True(report.IsBudgetExhausted);
        Assert.InRange(report.Cost, 450, 500);
        Assert.Equal(report.KeptCount, (await File.ReadAllLinesAsync(report.DataFile)).Length);
        options.MaxCost = 0;
        Assert.Equal(100, (await dataset.RunAsync(Documents(100), folder["d"])).KeptCount);
    }

    [Fact]
    public async Task A_number_of_documents_is_drawn_by_key_and_the_order_by_seed()
    {
        using var folder = new TemporaryFolder();
        var options = Options();
        (options.SampleCount, options.IsShuffled, options.Seed, options.ShardLength) = (7, true, 3, 3);

        var report = await new NonInstructionalDataset(new ScriptedTeacher(), options).RunAsync(Documents(50), folder["d"]);

        string[] expected = [.. Enumerable.Range(0, 50).Select(index => $"doc-{index}").OrderBy(id => DocumentKey.Of(3, id)).Take(7)];
        Assert.Equal(3, report.Files.Count);
        Assert.Equal(expected, report.Files.SelectMany(DatasetRecord.ReadAll).Select(record => record.Id));
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder["d"], "report.json")));
        Assert.Equal(7, json.RootElement.GetProperty("counts").GetProperty("ok").GetInt64());
    }

    [Fact]
    public async Task Rules_of_the_caller_evaluation_data_and_a_detector_are_applied()
    {
        using var folder = new TemporaryFolder();
        var options = Options();
        options.PromptPatterns["number_five"] = "doc5 ";
        var dataset = new NonInstructionalDataset(new ScriptedTeacher(), options)
        {
            Evaluation = new EvaluationOverlap(["it goes on after DOC6 . and then some more words follow here up to thirteen", string.Join(' ', Enumerable.Range(0, 13))]),
            Detector = new YesTeacher(text => text.StartsWith("doc7 ", StringComparison.Ordinal)),
        };

        var report = await dataset.RunAsync(Documents(10), folder["d"]);

        Assert.Equal((9L, 1L), (report.KeptCount, report.Counts["filtered:number_five"]));
        Assert.Equal((1L, 0.1, 1 / 9.0), (report.FlaggedCount, report.DroppedShare, report.FlaggedShare));
        Assert.True(dataset.Evaluation.Touches("x " + string.Join(' ', Enumerable.Range(0, 13))));
        Assert.False(dataset.Evaluation.Touches(string.Join(' ', Enumerable.Range(0, 12))));
        Assert.Throws<ArgumentException>(() => new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { PromptPatterns = { ["bad"] = "(" } }));
        Assert.Throws<ConfigurationException>(() => new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MaxFailureRate = 2 }));
    }

    [Fact]
    public void A_cut_by_graphemes_or_tokens_never_falls_inside_a_character()
    {
        const string text = "ab e\u0301e\u0301 \ud83d\udc4d\ud83c\udffd\ud83d\udc4d\ud83c\udffd cd";
        foreach (var unit in new[] { SplitUnit.Grapheme, SplitUnit.Token })
        {
            for (var share = 0.05; share < 1; share += 0.05)
            {
                var halves = TextHalves.Split(text, new SplitOptions { Unit = unit, Fraction = share }, tokenizer: ModelTokenizer.Bytes.Tokenizer)!;
                Assert.Equal(text.Replace(" ", "", StringComparison.Ordinal), (halves.Prompt + halves.Reference).Replace(" ", "", StringComparison.Ordinal));
                Assert.DoesNotContain(halves.Reference[0], new[] { '\u0301', '\udc4d', '\ud83c' });
            }
        }
        Assert.Equal("ab", TextHalves.Split(text, new SplitOptions { Unit = SplitUnit.Grapheme, MaxPromptLength = 2 })!.Prompt);
        Assert.Equal("one", TextHalves.Split("one two three four", new SplitOptions { Fraction = 0.25 })!.Prompt);
        Assert.Throws<ArgumentException>(() => TextHalves.Split(text, new SplitOptions { Unit = SplitUnit.Token }));
    }

    [Fact]
    public void An_arm_chooses_what_is_learned()
    {
        var record = new DatasetRecord { Prompt = "p", Response = "r", Reference = "o", Flags = ["truncated"] };
        Assert.Equal(("p", "r", true), record.Of(DatasetArm.Teacher));
        Assert.Equal(("p", "o", false), record.Of(DatasetArm.Original));
        Assert.Equal(("", "r", true), record.Of(DatasetArm.ResponseOnly));
        Assert.Equal(("", "p", true), record.Of(DatasetArm.FirstHalfOnly));
    }

    private static DatasetOptions Options() => new() { MinWords = 4, MaxConcurrency = 5, RequestTimeoutSeconds = 30 };

    private static async IAsyncEnumerable<SourceDocument> Documents(int count)
    {
        for (var index = 0; index < count; index++)
        {
            await Task.Yield();
            yield return new SourceDocument(index, $"doc-{index}", $"doc{index} one two three");
        }
    }

    private sealed class YesTeacher(Func<string, bool> isYes) : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, isYes(messages.Last().Text) ? "Yes." : "no")));

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException("It does not stream.");

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
