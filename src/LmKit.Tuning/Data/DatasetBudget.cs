namespace LmKit;

/// <summary>Keeps a run within its budget: what is spent, and what the requests in flight will probably add.</summary>
internal sealed class DatasetBudget(DatasetCost cost, DatasetOptions options, IEnumerable<DatasetEntry> finished)
{
    private readonly Lock gate = new();
    private double spent = finished.Sum(entry => options.Price.Of(entry.InputTokens, entry.OutputTokens));
    private double reserved;

    /// <summary>Whether a request was held back.</summary>
    internal bool IsExhausted { get; private set; }

    /// <summary>Sets aside what a request will probably cost; false when the budget has no room for it.</summary>
    internal bool Reserve(DatasetRecord record)
    {
        if (options.MaxCost == 0)
            return true;
        var expected = Expected(record);
        lock (gate)
        {
            IsExhausted = spent + reserved + expected > options.MaxCost;
            reserved += IsExhausted ? 0 : expected;
            return !IsExhausted;
        }
    }

    /// <summary>Replaces what was set aside by what a finished request used.</summary>
    internal void Settle(DatasetRecord prepared, DatasetRecord done)
    {
        if (options.MaxCost == 0)
            return;
        var expected = Expected(prepared);
        lock (gate)
        {
            reserved -= expected;
            spent += done.InputTokens is null && done.OutputTokens is null ? expected : options.Price.Of(done.InputTokens ?? 0, done.OutputTokens ?? 0);
        }
    }

    private double Expected(DatasetRecord record)
    {
        var (input, output) = cost.Expected(record);
        return options.Price.Of(input, output);
    }
}
