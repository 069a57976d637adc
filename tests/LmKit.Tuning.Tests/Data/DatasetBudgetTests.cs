using System.Net;
using Microsoft.Extensions.AI;

namespace LmKit.Tuning.Tests;

public class DatasetBudgetTests
{
    [Fact]
    public async Task A_teacher_that_counts_no_tokens_is_charged_all_the_same_and_over_all_runs()
    {
        using var folder = new TemporaryFolder();
        var asked = 0;
        for (var run = 0; run < 3; run++)
        {
            var teacher = new ScriptedTeacher();
            var report = await new NonInstructionalDataset(new Uncounted(teacher), Options(100)) { Tokenizer = ModelTokenizer.Bytes.Tokenizer }.RunAsync(Documents(50), folder["d"]);
            asked += teacher.Calls;
            Assert.True(report.IsBudgetExhausted);
            Assert.InRange(report.Cost, 1, 100);
        }
        // A document reads 8 or 9 tokens and may write 20.
        Assert.InRange(asked, 2, 4);
    }

    [Fact]
    public async Task Answers_longer_than_expected_do_not_break_the_bound()
    {
        using var folder = new TemporaryFolder();
        var teacher = new ScriptedTeacher();
        var report = await new NonInstructionalDataset(new Uncounted(teacher, output: 20), Options(200)).RunAsync(Documents(50), folder["d"]);

        Assert.InRange(report.Cost, 150, 200);
        Assert.Equal(teacher.Calls, report.KeptCount);
    }

    [Fact]
    public async Task The_detectors_requests_are_charged_too()
    {
        using var folder = new TemporaryFolder();
        var alone = await new NonInstructionalDataset(new ScriptedTeacher(), Options(0)).RunAsync(Documents(5), folder["a"]);
        var both = await new NonInstructionalDataset(new ScriptedTeacher(), Options(0)) { Detector = new ScriptedTeacher() }.RunAsync(Documents(5), folder["b"]);

        Assert.True(both.Cost > 2 * alone.Cost, $"{both.Cost} against {alone.Cost}");
        Assert.Equal(alone.InputTokens, both.InputTokens);
        Assert.Equal(5, both.UndetectedCount); // this detector says neither yes nor no
    }

    [Fact]
    public async Task Tries_of_earlier_runs_stay_charged()
    {
        using var folder = new TemporaryFolder();
        var options = Options(0);
        (options.RetriesFailed, options.MaxFailureRate) = (true, 1);
        var first = await new NonInstructionalDataset(new ScriptedTeacher((_, _) => HttpStatusCode.BadRequest), options).RunAsync(Documents(5), folder["d"]);
        var second = await new NonInstructionalDataset(new ScriptedTeacher(), options).RunAsync(Documents(5), folder["d"]);
        var whole = await new NonInstructionalDataset(new ScriptedTeacher(), options).RunAsync(Documents(5), folder["whole"]);

        Assert.True(first.Cost > 0);
        Assert.Equal(first.Cost + whole.Cost, second.Cost, 1e-9);
    }

    [Fact]
    public void A_bound_without_a_price_is_refused() =>
        Assert.Contains("$.dataset.max_cost", Assert.Throws<ConfigurationException>(() => new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MaxCost = 5 })).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(HttpStatusCode.BadRequest)]
    [InlineData(HttpStatusCode.Unauthorized)]
    public async Task A_detector_that_fails_leaves_the_paid_answers_with_a_flag(HttpStatusCode status)
    {
        using var folder = new TemporaryFolder();
        var options = Options(0);
        options.MaxFailureRate = 1;
        var dataset = new NonInstructionalDataset(new ScriptedTeacher(), options) { Detector = new ScriptedTeacher((_, _) => status) };
        if (status == HttpStatusCode.Unauthorized)
            Assert.True((await Assert.ThrowsAsync<ChatRequestException>(() => dataset.RunAsync(Documents(1), folder["d"]))).IsRefusal);

        var report = await dataset.RunAsync(Documents(1), folder["d"]);

        Assert.Equal((1L, 1L), (report.KeptCount, report.UndetectedCount));
        var record = Assert.Single(DatasetRecord.ReadAll(report.DataFile));
        Assert.Equal(["undetected"], record.Flags);
        Assert.Equal("It goes on after doc0 .", record.Response);
    }

    [Fact]
    public async Task A_detector_of_which_most_fails_stops_the_run()
    {
        using var folder = new TemporaryFolder();
        await Assert.ThrowsAsync<RequestFailuresException>(() =>
            new NonInstructionalDataset(new ScriptedTeacher(), Options(0)) { Detector = new ScriptedTeacher((_, _) => HttpStatusCode.BadRequest) }.RunAsync(Documents(60), folder["d"]));
    }

    private static DatasetOptions Options(double most) => new()
    {
        MinWords = 4,
        SystemPrompt = "",
        MaxOutputTokens = 20,
        MaxCost = most,
        Price = new TokenPrice { InputPerMillion = 1e6, OutputPerMillion = 1e6 },
    };

    private static async IAsyncEnumerable<SourceDocument> Documents(int count)
    {
        for (var index = 0; index < count; index++)
        {
            await Task.Yield();
            yield return new SourceDocument(index, $"doc-{index}", $"doc{index} one two three");
        }
    }

    private sealed class Uncounted(IChatClient inner, int? output = null) : DelegatingChatClient(inner)
    {
        public override async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            var response = await base.GetResponseAsync(messages, options, cancellationToken);
            response.Usage = output is null ? null : new UsageDetails { InputTokenCount = 2, OutputTokenCount = output };
            return response;
        }
    }
}
