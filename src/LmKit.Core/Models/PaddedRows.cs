using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Rows of tokens of different length that a model reads in one call, each from its first column on, with padding behind the shorter ones.</summary>
internal static class PaddedRows
{
    /// <summary>Where a model is.</summary>
    internal static Device DeviceOf(ILanguageModel model) => (model as nn.Module)?.parameters().FirstOrDefault()?.device ?? CPU;

    /// <summary>Final hidden states (B, L, D) in the caller's dispose scope; those at padding mean nothing.</summary>
    /// <param name="model">The model.</param>
    /// <param name="device">Where it is.</param>
    /// <param name="rows">Each row's text, and where in it reading begins and ends; at least one row.</param>
    internal static Tensor Hidden(ILanguageModel model, Device device, IReadOnlyList<(IReadOnlyList<int> Tokens, int Start, int End)> rows)
    {
        using var scope = NewDisposeScope();
        var width = rows.Max(row => row.End - row.Start);
        var (ids, documents) = (new long[rows.Count * width], new long[rows.Count * width]);
        Array.Fill(documents, -1);
        foreach (var (index, (tokens, start, end)) in rows.Index())
        {
            for (var place = start; place < end; place++)
                (ids[(index * width) + place - start], documents[(index * width) + place - start]) = (tokens[place], 0);
        }
        var shape = new long[] { rows.Count, width };
        var context = documents.Contains(-1) ? new SequenceContext(Segments: tensor(documents, shape).to(device)) : null;
        return model.Hidden(tensor(ids, shape).to(device), context).MoveToOuterDisposeScope();
    }
}
