using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>Makes a data set without instructions (Xie et al. 2024): half of a document, and a teacher's continuation of it.</summary>
/// <remarks>
/// <para>Every finished document is journalled at once, so a run that is killed, cancelled or refused goes on where it stood; the
/// data set is written at the end in its order and has the same bytes however often the run was interrupted, if the teacher answers
/// alike. One run at a time may write to a folder. Documents reach the teacher as user messages only. Memory holds the documents in
/// flight and some hundred bytes for each finished one.</para>
/// </remarks>
public sealed class NonInstructionalDataset
{
    private readonly IChatClient teacher;
    private readonly DatasetOptions options;
    private readonly TimeProvider time;
    private readonly (string Name, Regex Pattern)[] rules;

    /// <summary>Prepares a data set.</summary>
    /// <param name="teacher">Writes the continuations; not disposed.</param>
    /// <param name="options">Sampling, cutting, requests.</param>
    /// <param name="time">The clock of timeouts and retries; the system's by default.</param>
    /// <exception cref="ConfigurationException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException">A prompt pattern is no expression that can be used.</exception>
    public NonInstructionalDataset(IChatClient teacher, DatasetOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(teacher);
        this.teacher = teacher;
        this.options = options ?? new DatasetOptions();
        OptionsJson.Validate(this.options, "$.dataset");
        OptionsJson.Validate(this.options.Split, "$.dataset.split");
        OptionsJson.Validate(this.options.Price, "$.dataset.price");
        if (this.options.MaxCost > 0 && this.options.Price is { InputPerMillion: 0, OutputPerMillion: 0 })
            throw new ConfigurationException("$.dataset.max_cost", FormattableString.Invariant($"{this.options.MaxCost} bounds nothing while nothing has a price; state Price, or take 0 for no bound."));
        rules = [.. this.options.PromptPatterns.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, ContentRules.Pattern(pair.Key, pair.Value)))];
        this.time = time ?? TimeProvider.System;
    }

    /// <summary>Counts tokens for cutting and for the estimate; without one, a word counts as 1.33 tokens.</summary>
    public Tokenizer? Tokenizer { get; init; }

    /// <summary>Drops documents that share text with evaluation data; none by default.</summary>
    public EvaluationOverlap? Evaluation { get; init; }

    /// <summary>Is asked of every pair whether it is an instruction or a conversation, and flags those that are
    /// (instructional), and those of which it gives no answer that can be read (undetected); none by default.</summary>
    public IChatClient? Detector { get; init; }

    /// <summary>Estimates the cost from 200 documents that the seed draws, before anything is asked.</summary>
    /// <param name="documents">The documents, read once.</param>
    /// <param name="cancellation">Stops reading.</param>
    public async Task<CostEstimate> EstimateCostAsync(IAsyncEnumerable<SourceDocument> documents, CancellationToken cancellation = default)
    {
        var cost = new DatasetCost(options, Tokenizer);
        var (seen, names) = (new HashSet<UInt128>(), new HashSet<string>(StringComparer.Ordinal));
        await foreach (var document in DatasetSampling.ReadAsync(documents, options, cancellation).ConfigureAwait(false))
        {
            if (names.Add(document.Id) && Prepare(document, seen) is { Status: "ok" } record)
                cost.Observe(record, DocumentKey.Of(options.Seed, record.Id));
        }
        return cost.Estimate();
    }

    /// <summary>Makes the data set, or goes on making it.</summary>
    /// <param name="documents">The documents, read one by one; twice where a number of them is drawn.</param>
    /// <param name="folder">Where journal, data set and report are kept.</param>
    /// <param name="progress">Told of every finished document, on any thread.</param>
    /// <param name="cancellation">Stops the run; what is finished is kept.</param>
    /// <exception cref="DatasetException">The folder is another run's, was made with other options, sources, teacher, detector, evaluation data or tokenizer, or its journal is damaged.</exception>
    /// <exception cref="ChatRequestException">The teacher refuses this caller (401, 403); the run can go on later.</exception>
    /// <exception cref="RequestFailuresException">Too many documents failed; the run can go on later.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled; it can go on later.</exception>
    /// <exception cref="IOException">A record could not be written, such as on a full disk; what is finished is kept.</exception>
    public async Task<DatasetReport> RunAsync(IAsyncEnumerable<SourceDocument> documents, string folder, IProgress<DatasetRecord>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        using var run = RunFolder.Enter(folder, DatasetManifest.Kind, DatasetManifest.JournalName);
        DatasetManifest.Check(run, this, teacher, options, documents as IDocumentSource);
        using var journal = RecordJournal<DatasetRecord, DatasetEntry>.Open(run.JournalPath, DatasetEntry.Of);
        using var limit = new AdaptiveLimit(options.MaxConcurrency);
        var requests = new ChatRequests(teacher, options, limit, time);
        var detection = Detector is null ? null : new ChatRequests(Detector, options, limit, time);
        var budget = new DatasetBudget(new DatasetCost(options, Tokenizer), options, Detector is not null, journal.Entries.Select(pair => pair.Entry));
        await new RequestRun(options, limit).ExecuteAsync(Waiting(documents, journal, budget, progress, cancellation), ContinueAsync, cancellation).ConfigureAwait(false);
        return DatasetFiles.Write(journal, folder, options, budget.IsExhausted);

        async Task<bool> ContinueAsync(DatasetRecord prepared, CancellationToken stop)
        {
            var (key, messages) = (DocumentKey.Of(options.Seed, prepared.Id), Messages(prepared.Prompt));
            var before = journal.TryGet(prepared.Id, out var entry) ? entry.Cost : 0;
            DatasetRecord done;
            ChatRequestException? trouble = null;
            try
            {
                var (response, attempts) = await requests.AskAsync(messages, Settings(key), key, stop).ConfigureAwait(false);
                done = Taken(prepared, response, attempts) with { Cost = budget.Charge(response, messages) };
                if (detection is not null && done.Status == "ok")
                    (done, trouble) = await DetectAsync(detection, budget, done, key, stop).ConfigureAwait(false);
            }
            catch (ChatRequestException error) when (!error.IsRefusal)
            {
                (done, trouble) = (prepared with { Status = "failed", Reason = error.InnerException!.GetType().Name, Attempts = error.Attempts, Cost = budget.Charge(messages) }, error);
            }
            budget.Settle(prepared, done.Cost);
            done = done with { Cost = before + done.Cost };
            journal.Append(done);
            progress?.Report(done);
            return trouble is { IsRefusal: true } ? throw trouble : trouble is null;
        }
    }

    // The documents that the teacher is to continue, in the source's order; what rules drop is journalled on the way.
    private async IAsyncEnumerable<DatasetRecord> Waiting(
        IAsyncEnumerable<SourceDocument> documents,
        RecordJournal<DatasetRecord, DatasetEntry> journal,
        DatasetBudget budget,
        IProgress<DatasetRecord>? progress,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        var seen = journal.Entries.Select(pair => pair.Entry).Where(IsFirstOfItsKind).Select(entry => entry.PromptHash!.Value).ToHashSet();
        var names = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var document in DatasetSampling.ReadAsync(documents, options, cancellation).ConfigureAwait(false))
        {
            var isNew = names.Add(document.Id);
            // A second document of one name has a record too, under a name of its own, so that it is not lost unseen.
            var name = isNew ? document.Id : FormattableString.Invariant($"{document.Id}@{document.Ordinal}");
            if (journal.TryGet(name, out var entry) && !(options.RetriesFailed && entry.Status == "failed"))
                continue;
            var prepared = isNew ? Prepare(document, seen) : new DatasetRecord { Id = name, Ordinal = document.Ordinal, Status = "filtered", Reason = "duplicate_id" };
            if (prepared.Status != "ok")
            {
                journal.Append(prepared);
                progress?.Report(prepared);
                continue;
            }
            if (!await budget.ReserveAsync(prepared, cancellation).ConfigureAwait(false))
                yield break;
            yield return prepared;
        }
    }

    // What an uninterrupted run would have counted as seen: what the teacher was asked for. A duplicate was not, since the document that
    // it repeats may have been in flight; nor was what a rule dropped before duplicates were looked for.
    private bool IsFirstOfItsKind(DatasetEntry entry) =>
        entry.PromptHash is not null && entry.WasAsked && !(options.RetriesFailed && entry.Status == "failed");

    private DatasetRecord Prepare(SourceDocument document, HashSet<UInt128> seen)
    {
        var record = new DatasetRecord { Id = document.Id, Ordinal = document.Ordinal };
        if (document.IsTooLarge)
            return record with { Status = "filtered", Reason = "too_large" };
        var halves = TextHalves.Split(document.Text, options.Split, options.MaxWords, Tokenizer);
        if (halves is null || halves.TotalWords < options.MinWords)
            return record with { Status = "filtered", Reason = "too_short", TotalWords = halves?.TotalWords ?? 0 };
        record = record with { Prompt = halves.Prompt, Reference = halves.Reference, PromptWords = halves.PromptWords, TotalWords = halves.TotalWords };
        var reason = ContentRules.OfPrompt(halves.Prompt)
            ?? Array.Find(rules, rule => rule.Pattern.IsMatch(halves.Prompt)).Name
            ?? (Evaluation?.Touches(halves.Prompt) == true ? "eval_overlap" : null)
            ?? (seen.Add(DocumentKey.OfText(halves.Prompt)) ? null : "duplicate");
        return reason is null ? record : record with { Status = "filtered", Reason = reason };
    }

    private DatasetRecord Taken(DatasetRecord prepared, ChatResponse response, int attempts)
    {
        var flags = new List<string>();
        var text = ContentRules.Strip(prepared.Prompt, response.Text, flags);
        if (response.FinishReason == ChatFinishReason.Length)
            flags.Add("truncated");
        var rule = response.FinishReason == ChatFinishReason.ContentFilter ? "content_filter"
            : text.Length == 0 ? "empty_response"
            : ContentRules.OfResponse(text) ?? (Evaluation?.Touches(text) == true ? "eval_overlap" : null);
        return prepared with
        {
            Response = text,
            FinishReason = response.FinishReason?.Value,
            InputTokens = response.Usage?.InputTokenCount,
            OutputTokens = response.Usage?.OutputTokenCount,
            Model = response.ModelId,
            Attempts = attempts,
            Flags = flags,
            Status = rule is null ? "ok" : "filtered",
            Reason = rule,
        };
    }

    // The teacher's answer is paid for: a detector that fails, or says neither yes nor no, leaves it with a flag.
    private static async Task<(DatasetRecord Record, ChatRequestException? Trouble)> DetectAsync(ChatRequests detection, DatasetBudget budget, DatasetRecord record, ulong key, CancellationToken stop)
    {
        var messages = InstructionDetector.Messages(record);
        try
        {
            var (answer, _) = await detection.AskAsync(messages, new ChatOptions { Temperature = 0, MaxOutputTokens = InstructionDetector.MaxOutputTokens }, key, stop).ConfigureAwait(false);
            var flag = InstructionDetector.Read(answer.Text) switch { true => InstructionDetector.Flag, false => null, null => InstructionDetector.Undetected };
            return (record with { Flags = flag is null ? record.Flags : [.. record.Flags, flag], Cost = record.Cost + budget.Charge(answer, messages) }, null);
        }
        catch (ChatRequestException error)
        {
            return (record with { Flags = [.. record.Flags, InstructionDetector.Undetected], Cost = record.Cost + budget.Charge(messages) }, error);
        }
    }

    private List<ChatMessage> Messages(string prompt) =>
        options.SystemPrompt.Length == 0 ? [new(ChatRole.User, prompt)] : [new(ChatRole.System, options.SystemPrompt), new(ChatRole.User, prompt)];

    private ChatOptions Settings(ulong key) =>
        new() { Temperature = options.Temperature, MaxOutputTokens = options.MaxOutputTokens, Seed = options.SendsSeed ? (long)(key >> 1) : null };
}
