using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Makes a data set without instructions (Xie et al. 2024): half of a document, and a teacher's continuation of it.</summary>
/// <remarks>
/// <para>Every finished document is journalled at once, so a run that is killed, cancelled or refused goes on where it stood; the
/// data set is written at the end in the source's order and has the same bytes however often the run was interrupted, if the teacher
/// answers alike. One run at a time may write to a folder. Documents reach the teacher as user messages only.</para>
/// </remarks>
public sealed class NonInstructionalDataset
{
    private const string ManifestName = "manifest.json";
    private const string DataName = "data-00000.jsonl";

    private readonly IChatClient teacher;
    private readonly DatasetOptions options;
    private readonly (string Name, Regex Pattern)[] rules;
    private readonly TimeProvider time;

    /// <summary>Prepares a data set.</summary>
    /// <param name="teacher">Writes the continuations; not disposed.</param>
    /// <param name="options">Sampling, cutting, requests.</param>
    /// <param name="time">The clock of timeouts and retries; the system's by default.</param>
    public NonInstructionalDataset(IChatClient teacher, DatasetOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(teacher);
        this.teacher = teacher;
        this.options = options ?? new DatasetOptions();
        rules = [.. this.options.PromptPatterns.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, ContentRules.Pattern(pair.Key, pair.Value)))];
        this.time = time ?? TimeProvider.System;
    }

    /// <summary>Makes the data set, or goes on making it.</summary>
    /// <param name="documents">The documents, read once and one by one.</param>
    /// <param name="folder">Where journal and data set are kept.</param>
    /// <param name="progress">Told of every finished document, on any thread.</param>
    /// <param name="cancellation">Stops the run; what is finished is kept.</param>
    /// <exception cref="DatasetException">The folder is another run's, was made with other options, or its journal is damaged.</exception>
    /// <exception cref="TeacherException">The teacher refuses this caller (401, 403); the run can go on later.</exception>
    public async Task<DatasetReport> RunAsync(IAsyncEnumerable<SourceDocument> documents, string folder, IProgress<DatasetRecord>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        using var journal = DatasetJournal.Open(folder);
        CheckManifest(folder);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var slots = new SemaphoreSlim(options.MaxConcurrency);
        var running = new List<Task>();
        var seen = journal.Records.Values.Where(IsFirstOfItsKind).Select(record => Hash(record.Prompt)).ToHashSet();
        try
        {
            await foreach (var document in documents.WithCancellation(stop.Token).ConfigureAwait(false))
            {
                if (!DocumentKey.IsSampled(options.Seed, document.Id, options.SampleRate) || IsDone(journal, document))
                    continue;
                var prepared = Prepare(document, seen);
                if (prepared.Status != "ok")
                {
                    Finish(journal, prepared, progress);
                    continue;
                }
                await slots.WaitAsync(stop.Token).ConfigureAwait(false);
                _ = running.RemoveAll(task => task.IsCompletedSuccessfully);
                running.Add(ContinueAsync(journal, prepared, progress, slots, stop));
            }
            await Task.WhenAll(running).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested && running.Find(task => task.IsFaulted) is { } failed)
        {
            await failed.ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return Write(journal, folder);
    }

    private bool IsDone(DatasetJournal journal, SourceDocument document) =>
        journal.Records.TryGetValue(document.Id, out var record) && !(options.RetriesFailed && record.Status == "failed");

    // What an uninterrupted run would have counted as seen. A duplicate does not count: the document it repeats may have been in flight.
    private bool IsFirstOfItsKind(DatasetRecord record) =>
        record.Prompt.Length > 0 && record.Reason != "duplicate" && !(options.RetriesFailed && record.Status == "failed") && Rule(record.Prompt) is null;

    private string? Rule(string prompt) => ContentRules.OfPrompt(prompt) ?? Array.Find(rules, rule => rule.Pattern.IsMatch(prompt)).Name;

    private DatasetRecord Prepare(SourceDocument document, HashSet<string> seen)
    {
        var halves = TextHalves.Split(document.Text, maxWords: options.MaxWords, snapsToSentence: options.SnapsToSentence);
        var record = new DatasetRecord { Id = document.Id, Ordinal = document.Ordinal };
        if (halves is null || halves.TotalWords < options.MinWords)
            return record with { Status = "filtered", Reason = "too_short", TotalWords = halves?.TotalWords ?? 0 };
        record = record with { Prompt = halves.Prompt, Reference = halves.Reference, PromptWords = halves.PromptWords, TotalWords = halves.TotalWords };
        var reason = Rule(halves.Prompt) ?? (seen.Add(Hash(halves.Prompt)) ? null : "duplicate");
        return reason is null ? record : record with { Status = "filtered", Reason = reason };
    }

    private async Task ContinueAsync(DatasetJournal journal, DatasetRecord prepared, IProgress<DatasetRecord>? progress, SemaphoreSlim slots, CancellationTokenSource stop)
    {
        try
        {
            var (response, attempts) = await new TeacherCall(teacher, options, time).AskAsync(prepared.Prompt, prepared.Id, stop.Token).ConfigureAwait(false);
            Finish(journal, Taken(prepared, response, attempts), progress);
        }
        catch (TeacherException error) when (!error.IsRefusal)
        {
            Finish(journal, prepared with { Status = "failed", Reason = error.InnerException!.GetType().Name, Attempts = error.Attempts }, progress);
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            slots.Release();
        }
    }

    private static DatasetRecord Taken(DatasetRecord prepared, ChatResponse response, int attempts)
    {
        var flags = new List<string>();
        var text = ContentRules.Strip(prepared.Prompt, response.Text, flags);
        if (response.FinishReason == ChatFinishReason.Length)
            flags.Add("truncated");
        var reason = response.FinishReason == ChatFinishReason.ContentFilter ? "content_filter" : text.Length == 0 ? "empty_response" : ContentRules.OfResponse(text);
        return prepared with
        {
            Response = text,
            FinishReason = response.FinishReason?.Value,
            InputTokens = response.Usage?.InputTokenCount,
            OutputTokens = response.Usage?.OutputTokenCount,
            Model = response.ModelId,
            Attempts = attempts,
            Flags = flags,
            Status = reason is null ? "ok" : "filtered",
            Reason = reason,
        };
    }

    private static void Finish(DatasetJournal journal, DatasetRecord record, IProgress<DatasetRecord>? progress)
    {
        journal.Append(record);
        progress?.Report(record);
    }

    private static DatasetReport Write(DatasetJournal journal, string folder)
    {
        var path = Path.Combine(folder, DataName);
        var ordered = journal.Records.Values.OrderBy(record => record.Ordinal).ThenBy(record => record.Id, StringComparer.Ordinal).ToArray();
        AtomicFile.Write(path, stream =>
        {
            foreach (var record in ordered.Where(record => record.Status == "ok"))
                stream.Write([.. JsonSerializer.SerializeToUtf8Bytes(record, DatasetJournal.Layout), (byte)'\n']);
        });
        var counts = ordered.CountBy(record => record.Reason is null ? record.Status : $"{record.Status}:{record.Reason}").OrderBy(pair => pair.Key, StringComparer.Ordinal);
        return new DatasetReport(counts.ToDictionary(pair => pair.Key, pair => (long)pair.Value), ordered.Sum(record => record.InputTokens ?? 0), ordered.Sum(record => record.OutputTokens ?? 0), path);
    }

    // What decides the records; how fast they are made does not.
    private void CheckManifest(string folder)
    {
        var path = Path.Combine(folder, ManifestName);
        var now = JsonSerializer.Serialize(
            new { options.Seed, options.SampleRate, options.MinWords, options.MaxWords, options.SnapsToSentence, options.SystemPrompt, options.Temperature, options.MaxOutputTokens, options.PromptPatterns },
            DatasetJournal.Layout);
        if (!File.Exists(path))
            AtomicFile.WriteText(path, now);
        else if (File.ReadAllText(path) is var then && then != now)
            throw new DatasetException(path, $"the folder was begun with other options: {then}, now {now}. Use those, or another folder.");
    }

    private static string Hash(string text) =>
        Convert.ToHexString(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)))));
}
