using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Tokens that a model reads in one call and those of them whose loss is wanted.</summary>
/// <param name="Tokens">The text.</param>
/// <param name="Start">Where reading begins.</param>
/// <param name="End">Where it ends.</param>
/// <param name="From">The first token that is scored, behind <paramref name="Start"/>.</param>
/// <param name="To">Where scoring ends: at most one behind <paramref name="End"/>.</param>
internal readonly record struct ScoredRow(IReadOnlyList<int> Tokens, int Start, int End, int From, int To);

/// <summary>Losses of tokens in rows of different length, which is what perplexity and questions with choices are made of.</summary>
internal sealed class ScoredRows(ILanguageModel model)
{
    /// <summary>Where the model is.</summary>
    internal Device Device { get; } = PaddedRows.DeviceOf(model);

    /// <summary>Refuses a model whose losses would say something else, and a prefix that it does not know.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prefix">The prefix, or null.</param>
    /// <param name="option">Its name.</param>
    internal static void Check(ILanguageModel model, int? prefix, string option)
    {
        if (model is nn.Module { training: true })
            throw new ArgumentException("The model is in training mode, where dropout acts; call eval() first.", nameof(model));
        if (!model.IsCausal)
            throw new ArgumentException("The model is not causal: it sees the tokens whose likelihood is asked for. A denoiser has a measure of its own.", nameof(model));
        if (prefix is { } token && (token < 0 || token >= model.VocabSize))
            throw new ArgumentException($"{option} = {token} is outside the vocabulary of {model.VocabSize}.", nameof(prefix));
    }

    /// <summary>The loss in nats of every scored token, row by row.</summary>
    internal double[] Losses(IReadOnlyList<ScoredRow> rows)
    {
        using var scope = NewDisposeScope();
        var hidden = PaddedRows.Hidden(model, Device, [.. rows.Select(row => (row.Tokens, row.Start, row.End))]); // (B, L, D)
        var predicting = rows.Select((row, index) => hidden[index].narrow(0, row.From - 1 - row.Start, row.To - row.From)).ToArray();
        var targets = rows.SelectMany(row => Enumerable.Range(row.From, row.To - row.From).Select(place => (long)row.Tokens[place])).ToArray();
        return NextTokenLoss.Each(model, predicting.Length == 1 ? predicting[0] : cat(predicting, 0), tensor(targets).to(Device));
    }
}
