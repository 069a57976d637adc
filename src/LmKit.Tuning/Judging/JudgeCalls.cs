using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Runs a judge over calls: each once, journalled, resumed, and repeated once where no verdict can be read.</summary>
internal sealed class JudgeCalls
{
    internal const string JournalName = "judgments.jsonl";
    private const string Kind = "judgments";
    private const int Schema = 1;

    private readonly IChatClient judge;
    private readonly JudgeOptions options;
    private readonly TimeProvider time;
    private readonly JudgePrompt prompt;
    private readonly bool isPair;

    internal JudgeCalls(IChatClient judge, JudgeOptions options, TimeProvider? time, bool isPair)
    {
        ArgumentNullException.ThrowIfNull(judge);
        OptionsJson.Validate(options, "$.judge");
        this.judge = judge;
        this.options = options;
        this.time = time ?? TimeProvider.System;
        this.isPair = isPair;
        prompt = new JudgePrompt(options, isPair);
        Name = options.JudgeName.Length > 0 ? options.JudgeName : (judge.GetService(typeof(ChatClientMetadata)) as ChatClientMetadata)?.DefaultModelId ?? judge.GetType().Name;
    }

    /// <summary>The judge's name.</summary>
    internal string Name { get; }

    /// <summary>Judges what the journal does not hold yet.</summary>
    /// <returns>The judgments of all calls, in their order.</returns>
    internal async Task<IReadOnlyList<Judgment>> RunAsync(
        IReadOnlyList<(JudgeQuestion Question, IReadOnlyList<ModelAnswers> Models)> calls,
        string folder,
        IProgress<Judgment>? progress,
        CancellationToken cancellation)
    {
        using var run = RunFolder.Enter(folder, Kind, JournalName);
        if (run.Manifest is null)
            run.Begin(new JsonObject { ["schema"] = Schema });
        else if (!JsonNode.DeepEquals(run.Manifest["schema"], Schema))
            throw new DatasetException(run.ManifestPath, $"its schema is {StrictJson.Shown(run.Manifest["schema"])}; {Schema} is read. Take another folder.");
        using var journal = RecordJournal<Judgment, string>.Open(run.JournalPath, judgment => (judgment.Key, judgment.Status));
        using var limit = new AdaptiveLimit(options.MaxConcurrency);
        var requests = new ChatRequests(judge, options, limit, time);
        await new RequestRun(options, limit).ExecuteAsync(Left(), JudgeAsync, cancellation).ConfigureAwait(false);
        return [.. calls.Select(call => journal.Read(Key(call.Question, call.Models)))];

        async IAsyncEnumerable<(JudgeQuestion Question, IReadOnlyList<ModelAnswers> Models)> Left()
        {
            foreach (var call in calls)
            {
                if (!journal.TryGet(Key(call.Question, call.Models), out var status) || (options.RetriesFailed && status == "failed"))
                    yield return call;
            }
            await Task.CompletedTask.ConfigureAwait(false);
        }

        async Task<bool> JudgeAsync((JudgeQuestion Question, IReadOnlyList<ModelAnswers> Models) call, CancellationToken stop)
        {
            var judgment = await OneAsync(requests, call.Question, call.Models, stop).ConfigureAwait(false);
            journal.Append(judgment);
            progress?.Report(judgment);
            return judgment.Status != "failed";
        }
    }

    private async Task<Judgment> OneAsync(ChatRequests requests, JudgeQuestion question, IReadOnlyList<ModelAnswers> models, CancellationToken stop)
    {
        string[] answers = [.. models.Select(model => model.Answers[question.Id])];
        var key = Key(question, models);
        var judgment = new Judgment
        {
            Key = key,
            Judge = Name,
            Question = question.Id,
            Category = question.Category,
            ModelA = models[0].Model,
            ModelB = models.Count > 1 ? models[1].Model : "",
            Status = "invalid",
            Flags = [.. answers.SelectMany((answer, index) => Flags(answer, (char)('a' + index)))],
        };
        for (var reading = 0; reading < 2 && judgment.Status == "invalid"; reading++)
        {
            var nonce = JudgePrompt.NewNonce();
            try
            {
                var settings = new ChatOptions { Temperature = options.Temperature, MaxOutputTokens = options.MaxOutputTokens };
                var (response, attempts) = await requests.AskAsync(prompt.Messages(question, answers, nonce), settings, DocumentKey.Of(options.Seed, key), stop).ConfigureAwait(false);
                judgment = Taken(judgment, response, attempts, nonce, isRepeated: reading > 0);
            }
            catch (ChatRequestException error) when (!error.IsRefusal)
            {
                judgment = judgment with { Status = "failed", Attempts = judgment.Attempts + error.Attempts, Reason = error.InnerException!.GetType().Name };
            }
        }
        return judgment;
    }

    private Judgment Taken(Judgment before, ChatResponse response, int attempts, string nonce, bool isRepeated)
    {
        var verdict = isPair ? VerdictParser.StrictArena(response.Text, nonce) : null;
        var grade = isPair ? null : VerdictParser.StrictRating(response.Text, nonce);
        return before with
        {
            Status = verdict is null && grade is null ? "invalid" : "ok",
            Verdict = verdict,
            Grade = grade,
            Text = response.Text,
            Flags = isRepeated ? [.. before.Flags, "repeated"] : before.Flags,
            InputTokens = before.InputTokens + (response.Usage?.InputTokenCount ?? 0),
            OutputTokens = before.OutputTokens + (response.Usage?.OutputTokenCount ?? 0),
            Attempts = before.Attempts + attempts,
        };
    }

    private IEnumerable<string> Flags(string answer, char place)
    {
        if (JudgePrompt.IsInjection(answer))
            yield return $"injection_{place}";
        if (answer.Length > options.MaxAnswerLength)
            yield return $"cut_{place}";
    }

    // As JSON, so that no name can be taken for two. A judgment of other material, or made otherwise, is another one.
    private string Key(JudgeQuestion question, IReadOnlyList<ModelAnswers> models) =>
        JsonSerializer.Serialize<string[]>([Name, prompt.Hash(question, [.. models.Select(model => model.Answers[question.Id])]), question.Id, .. models.Select(model => model.Model)], JournalJson.Layout);
}
