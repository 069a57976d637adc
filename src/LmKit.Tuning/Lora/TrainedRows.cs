using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The embedding rows that were trained beside the adapters of a model.</summary>
/// <remarks>Which they are is noted in the options of the adapters, hence in the model's configuration.</remarks>
internal sealed class TrainedRows
{
    internal const string Embedding = "embeddings.word_embeddings";

    private readonly Parameter table;
    private readonly long[] tokens;

    private TrainedRows(Parameter table, long[] tokens)
    {
        (this.table, this.tokens) = (table, tokens);
        using var frozen = no_grad();
        Values = table.index_select(0, Index());
    }

    /// <summary>The rows as they were (N, D), in the caller's dispose scope.</summary>
    internal Tensor Values { get; }

    /// <summary>Takes a copy of a model's trained rows; null when it has none.</summary>
    internal static TrainedRows? Of(nn.Module model) =>
        Tokens(model) is { Length: > 0 } tokens && Table(model) is { } table ? new TrainedRows(table, tokens) : null;

    /// <summary>A copy of the rows of these tokens.</summary>
    internal static TrainedRows Of(Parameter table, long[] tokens) => new(table, tokens);

    /// <summary>The table (V, D), or null when the model has none by our name.</summary>
    internal static Parameter? Table(nn.Module model) => model.get_parameter($"{Embedding}.weight") ?? model.get_parameter($"{Embedding}.base_layer.weight");

    /// <summary>The tokens whose rows were trained, in rising order.</summary>
    internal static long[] Tokens(nn.Module model) => [.. LoraAdapters.All(model).SelectMany(entry => entry.Adapter.Record.TrainedTokens ?? []).Distinct().Order()];

    /// <summary>Notes which tokens' rows were trained.</summary>
    internal static void Note(nn.Module model, IReadOnlyList<long> tokens)
    {
        foreach (var (_, adapter) in LoraAdapters.All(model))
            adapter.Record.TrainedTokens = [.. tokens];
    }

    /// <summary>Puts rows into the table.</summary>
    /// <param name="values">The rows (N, D); null for those that were taken.</param>
    internal void Write(Tensor? values = null)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        table.index_copy_(0, Index(), (values ?? Values).to(table.dtype, table.device));
    }

    private Tensor Index() => tensor(tokens, device: table.device);
}
