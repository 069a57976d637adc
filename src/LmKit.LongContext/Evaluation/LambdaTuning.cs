using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>A Lambda mask that was tried.</summary>
/// <param name="LocalLength">The window L.</param>
/// <param name="GlobalLength">The starting tokens G.</param>
/// <param name="DistanceCeiling">The ceiling D.</param>
/// <param name="Loss">The mean loss in nats beyond the trained length.</param>
/// <param name="Bytes">Bytes of keys and values that a sequence takes, spare slots included.</param>
/// <param name="Fits">Whether that is within the budget.</param>
public sealed record LambdaTrial(long LocalLength, long GlobalLength, long DistanceCeiling, Estimate Loss, long Bytes, bool Fits);

/// <summary>What was tried to choose a Lambda mask, and what was chosen.</summary>
/// <param name="Best">The trial within the budget whose loss is lowest; of equals the one with fewer bytes.</param>
/// <param name="Trials">All of them, in the order in which they were tried.</param>
/// <param name="MemoryBudget">The budget in bytes.</param>
public sealed record LambdaTuning(LambdaTrial Best, IReadOnlyList<LambdaTrial> Trials, long MemoryBudget)
{
    /// <summary>Fills a mask's options with the choice, for <see cref="LambdaMaskComponent.AddLambdaMask"/>.</summary>
    public void Apply(LambdaMaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        (options.LocalLength, options.GlobalLength, options.DistanceCeiling) = (Best.LocalLength, Best.GlobalLength, Best.DistanceCeiling);
    }

    /// <summary>The trials as a table for people.</summary>
    public string ToMarkdown()
    {
        var page = new StringBuilder("| L | G | D | loss beyond the trained length | bytes of keys and values | |\n|---|---|---|---|---|---|\n");
        foreach (var trial in Trials)
            _ = page.Append(CultureInfo.InvariantCulture, $"| {trial.LocalLength} | {trial.GlobalLength} | {trial.DistanceCeiling} | {trial.Loss.Brief()} | {trial.Bytes:N0} | {(ReferenceEquals(trial, Best) ? "best" : trial.Fits ? "" : "over the budget")} |\n");
        return page.ToString();
    }
}
