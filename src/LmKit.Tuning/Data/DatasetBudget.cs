using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Keeps a run within its budget: what is charged, and the most that the documents in flight can add.</summary>
internal sealed class DatasetBudget(DatasetCost cost, DatasetOptions options, bool hasDetector, IEnumerable<DatasetEntry> finished)
{
    private readonly Lock gate = new();
    private double charged = finished.Sum(entry => entry.Cost);
    private double reserved;
    private int running;
    private TaskCompletionSource settled = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether a document was held back.</summary>
    internal bool IsExhausted { get; private set; }

    /// <summary>Sets aside the most that a document can cost, as soon as what runs leaves room; false when the budget has none.</summary>
    internal async Task<bool> ReserveAsync(DatasetRecord record, CancellationToken cancellation)
    {
        if (options.MaxCost == 0)
            return true;
        var most = Most(record);
        while (true)
        {
            Task change;
            lock (gate)
            {
                IsExhausted = charged + most > options.MaxCost;
                if (IsExhausted)
                    return false;
                if (running == 0 || charged + reserved + most <= options.MaxCost)
                {
                    running++;
                    reserved += most;
                    return true;
                }
                change = settled.Task;
            }
            await change.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Replaces what was set aside by what a finished document is charged.</summary>
    internal void Settle(DatasetRecord prepared, double charge)
    {
        if (options.MaxCost == 0)
            return;
        var most = Most(prepared);
        TaskCompletionSource change;
        lock (gate)
        {
            reserved = --running == 0 ? 0 : reserved - most;
            charged += charge;
            (change, settled) = (settled, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        change.SetResult();
    }

    /// <summary>What an answer is charged: by the client's own count, and by ours where it gives none.</summary>
    internal double Charge(ChatResponse response, IReadOnlyList<ChatMessage> messages) => options.Price.Of(
        response.Usage?.InputTokenCount ?? messages.Sum(message => cost.Count(message.Text)),
        response.Usage?.OutputTokenCount ?? Math.Min(options.MaxOutputTokens, cost.Count(response.Text)));

    /// <summary>What a request without an answer is charged, since it may have been worked on: what was probably read.</summary>
    internal double Charge(IReadOnlyList<ChatMessage> messages) => options.Price.Of(messages.Sum(message => cost.Count(message.Text)), 0);

    // The teacher may write as much as it is allowed, all of which the detector then reads.
    private double Most(DatasetRecord record)
    {
        var (input, _) = cost.Expected(record);
        var teacher = options.Price.Of(input, options.MaxOutputTokens);
        return hasDetector
            ? teacher + options.Price.Of(InstructionDetector.Messages(record).Sum(message => cost.Count(message.Text)) + options.MaxOutputTokens, InstructionDetector.MaxOutputTokens)
            : teacher;
    }
}
