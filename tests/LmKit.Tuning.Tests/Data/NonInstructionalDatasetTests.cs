using System.Net;

namespace LmKit.Tuning.Tests;

public class NonInstructionalDatasetTests
{
    private static readonly DatasetOptions Options = new() { MinWords = 4, MaxConcurrency = 5, RequestTimeoutSeconds = 30 };

    [Fact]
    public async Task The_data_has_the_sources_order_whatever_the_concurrency_and_however_often_it_was_stopped()
    {
        using var folder = new TemporaryFolder();
        var expected = await Bytes(folder["whole"], 1, new ScriptedTeacher());
        foreach (var concurrency in new[] { 7, 64 })
            Assert.Equal(expected, await Bytes(folder[$"c{concurrency}"], concurrency, new ScriptedTeacher()));

        var stops = 0;
        for (var isDone = false; !isDone; stops++)
        {
            using var cancel = new CancellationTokenSource();
            // Later calls wait for the ninth to have cancelled, however busy the machine is.
            var teacher = new ScriptedTeacher((_, call) =>
            {
                if (call == 9)
                    cancel.Cancel();
                else if (call > 9)
                    cancel.Token.WaitHandle.WaitOne();
                return null;
            });
            try
            {
                await new NonInstructionalDataset(teacher, With(4)).RunAsync(Documents(60), folder["stopped"], cancellation: cancel.Token);
                isDone = true;
            }
            catch (OperationCanceledException)
            {
                Assert.InRange(teacher.Calls, 9, 14);
            }
        }
        Assert.InRange(stops, 4, 20);
        Assert.Equal(expected, await File.ReadAllBytesAsync(Path.Combine(folder["stopped"], "data-00000.jsonl")));
    }

    [Fact]
    public async Task Failures_that_pass_are_retried_and_others_are_recorded()
    {
        using var folder = new TemporaryFolder();
        var tried = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        var teacher = new ScriptedTeacher((prompt, _) => prompt.Contains("doc3 ", StringComparison.Ordinal) ? HttpStatusCode.BadRequest
            : tried.AddOrUpdate(prompt, 1, (_, count) => count + 1) == 1 && prompt.Contains("doc1 ", StringComparison.Ordinal) ? HttpStatusCode.TooManyRequests : null);

        var report = await new NonInstructionalDataset(teacher, Options).RunAsync(Documents(8), folder["d"]);

        Assert.Equal(7, report.Counts["ok"]);
        Assert.Equal(1, report.Counts["failed:HttpRequestException"]);
        Assert.Equal(2, tried["doc1 one"]);
        Assert.Equal(35, report.OutputTokens);
        await new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MinWords = 4, RetriesFailed = true }).RunAsync(Documents(8), folder["d"]);
        Assert.Equal(8, (await File.ReadAllLinesAsync(report.DataFile)).Length);
    }

    [Theory]
    [InlineData(HttpStatusCode.Unauthorized)]
    [InlineData(HttpStatusCode.Forbidden)]
    public async Task A_refusal_ends_the_run_at_once_and_the_run_can_go_on(HttpStatusCode status)
    {
        using var folder = new TemporaryFolder();
        var teacher = new ScriptedTeacher((_, call) => call > 10 ? status : null);

        var error = await Assert.ThrowsAsync<ChatRequestException>(() => new NonInstructionalDataset(teacher, Options).RunAsync(Documents(60), folder["d"]));

        Assert.Equal((int)status, error.Status);
        Assert.InRange(teacher.Calls, 11, 16);
        Assert.Equal(60, (await new NonInstructionalDataset(new ScriptedTeacher(), Options).RunAsync(Documents(60), folder["d"])).Counts["ok"]);
    }

    [Fact]
    public async Task A_teacher_that_hangs_is_given_up_on()
    {
        using var folder = new TemporaryFolder();
        var options = new DatasetOptions { MinWords = 4, MaxAttempts = 1, RequestTimeoutSeconds = 0.05 };

        var report = await new NonInstructionalDataset(new ScriptedTeacher(hangs: true), options).RunAsync(Documents(2), folder["d"]);

        Assert.Equal(2, report.Counts.Where(pair => pair.Key.StartsWith("failed", StringComparison.Ordinal)).Sum(pair => pair.Value));
    }

    [Fact]
    public async Task A_torn_journal_is_mended_and_a_damaged_one_refused()
    {
        using var folder = new TemporaryFolder();
        var journal = Path.Combine(folder["d"], "journal.jsonl");
        var expected = await Bytes(folder["d"], 4, new ScriptedTeacher(), 10);
        var whole = await File.ReadAllBytesAsync(journal);
        foreach (var length in new[] { whole.Length - 1, whole.Length - 20, whole.Length / 2, 1, 0 })
        {
            await File.WriteAllBytesAsync(journal, whole[..length]);
            Assert.Equal(expected, await Bytes(folder["d"], 4, new ScriptedTeacher(), 10));
        }
        var lines = await File.ReadAllLinesAsync(journal);
        lines[3] = "garbage";
        await File.WriteAllLinesAsync(journal, lines);

        var error = await Assert.ThrowsAsync<DatasetException>(() => Bytes(folder["d"], 4, new ScriptedTeacher(), 10));
        Assert.EndsWith(":4", error.Path, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_writer_and_other_options_are_refused()
    {
        using var folder = new TemporaryFolder();
        await Bytes(folder["d"], 4, new ScriptedTeacher(), 3);
        var error = await Assert.ThrowsAsync<DatasetException>(() => new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MinWords = 4, Seed = 1 }).RunAsync(Documents(3), folder["d"]));
        Assert.Contains("seed was 0, now 1", error.Message, StringComparison.Ordinal);
        using (RunFolder.Enter(folder["d"], DatasetManifest.Kind, DatasetManifest.JournalName))
            Assert.Contains("another run", (await Assert.ThrowsAsync<DatasetException>(() => Bytes(folder["d"], 4, new ScriptedTeacher(), 3))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_documents_that_begin_alike_the_first_stays_also_after_an_interruption()
    {
        using var folder = new TemporaryFolder();
        await Assert.ThrowsAsync<ChatRequestException>(() => new NonInstructionalDataset(new ScriptedTeacher((_, _) => HttpStatusCode.Unauthorized), Options).RunAsync(Twins(), folder["d"]));

        var report = await new NonInstructionalDataset(new ScriptedTeacher(), Options).RunAsync(Twins(), folder["d"]);

        Assert.Equal((1, 2), (report.Counts["ok"], report.Counts["filtered:duplicate"]));
        Assert.Contains("\"id\":\"a\"", await File.ReadAllTextAsync(report.DataFile), StringComparison.Ordinal);

        static async IAsyncEnumerable<SourceDocument> Twins()
        {
            foreach (var id in new[] { "a", "b", "c" })
            {
                yield return new SourceDocument(id[0], id, $"one two three {id}");
                await Task.Yield();
            }
        }
    }

    [Theory]
    [InlineData("All of it ends so. Can you say why", "request")]
    [InlineData("user: hello there", "dialogue")]
    [InlineData("What is it?", "question_end")]
    [InlineData("before <|im_start|> after", "chat_markup")]
    [InlineData("The river ran past the mill.", null)]
    public void Prompts_that_look_like_instructions_are_dropped_by_name(string prompt, string? rule) => Assert.Equal(rule, ContentRules.OfPrompt(prompt));

    [Fact]
    public void Announcements_and_echoes_are_cut_off()
    {
        var flags = new List<string>();
        Assert.Equal("and went.", ContentRules.Strip("x a b c d e f g h", "Sure, here it is:\na b c d e f g h and went.", flags));
        Assert.Equal(["preamble", "echo"], flags);
        Assert.Equal("assistant_talk", ContentRules.OfResponse("As an AI I cannot."));
    }

    [Theory]
    [InlineData(0, "doc-1", 0x0ed362632624fd1bUL)]
    [InlineData(42, "doc-1", 0xde57407701c7caf8UL)]
    [InlineData(42, "\u00e9", 0x78e7dbf9a0bcace9UL)]
    public void Keys_of_documents_are_the_published_ones(long seed, string id, ulong expected) => Assert.Equal(expected, DocumentKey.Of(seed, id));

    private static DatasetOptions With(int concurrency) => new() { MinWords = 4, MaxConcurrency = concurrency, RequestTimeoutSeconds = 30 };

    private static async Task<byte[]> Bytes(string folder, int concurrency, ScriptedTeacher teacher, int count = 60) =>
        await File.ReadAllBytesAsync((await new NonInstructionalDataset(teacher, With(concurrency)).RunAsync(Documents(count), folder)).DataFile);

    private static async IAsyncEnumerable<SourceDocument> Documents(int count)
    {
        for (var index = 0; index < count; index++)
        {
            await Task.Yield();
            yield return new SourceDocument(index, $"doc-{index}", $"doc{index} one two three");
        }
    }
}
