using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Rows of tokens of different length that a model reads in one call, each from its first column on, with padding behind the shorter ones.</summary>
internal static class PaddedRows
{
    // The products and sums of attention take 16 columns together and the rest one by one: at widths that 16 divides a row has the same bits in all of them.
    private const int Together = 16;

    // What hides padding in attention grows with the square of the width, and without padding nothing has to be hidden.
    private const int WidestHidden = 2_048;

    /// <summary>Where a model is.</summary>
    internal static Device DeviceOf(ILanguageModel model) => (model as nn.Module)?.parameters().FirstOrDefault()?.device ?? CPU;

    /// <summary>Final hidden states (B, L, D) in the caller's dispose scope, L the longest row's length; those at padding mean nothing.</summary>
    /// <param name="model">The model.</param>
    /// <param name="device">Where it is.</param>
    /// <param name="rows">Each row's text, and where in it reading begins and ends; at least one row.</param>
    internal static Tensor Hidden(ILanguageModel model, Device device, IReadOnlyList<(IReadOnlyList<int> Tokens, int Start, int End)> rows) =>
        Hidden(model, device, rows, rows.Max(row => row.End - row.Start), isHidden: true);

    /// <summary>The same with L so wide that a text's states do not depend on what is read together with it, and as fast as the model reads texts
    /// of one length where it is causal: no token sees the padding behind it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="device">Where it is.</param>
    /// <param name="rows">The texts; at least one.</param>
    internal static Tensor HiddenAlike(ILanguageModel model, Device device, IReadOnlyList<IReadOnlyList<int>> rows)
    {
        var longest = rows.Max(row => row.Count);
        var width = Width(model, longest);
        var isHidden = !(model is LanguageModel { IsCausal: true } known && rows.All(row => known.Building.EncodesAlike(row.Count, width)));
        if (isHidden && longest > WidestHidden && rows.All(row => row.Count == longest))
            width = longest;
        using var alike = RowsAlike.Ask();
        return Hidden(model, device, [.. rows.Select(row => (row, 0, row.Count))], width, isHidden);
    }

    /// <summary>The columns that rows of so many tokens are given by <see cref="HiddenAlike"/>, at most.</summary>
    internal static int Width(ILanguageModel model, int longest) =>
        (int)Math.Max(longest, Math.Min((longest + (long)Together - 1) / Together * Together, model.ContextLength ?? int.MaxValue));

    private static Tensor Hidden(ILanguageModel model, Device device, IReadOnlyList<(IReadOnlyList<int> Tokens, int Start, int End)> rows, int width, bool isHidden)
    {
        using var scope = NewDisposeScope();
        var (ids, documents) = (new long[rows.Count * width], new long[rows.Count * width]);
        Array.Fill(documents, -1);
        foreach (var (index, (tokens, start, end)) in rows.Index())
        {
            for (var place = start; place < end; place++)
                (ids[(index * width) + place - start], documents[(index * width) + place - start]) = (tokens[place], 0);
        }
        var shape = new long[] { rows.Count, width };
        var context = isHidden && documents.Contains(-1) ? new SequenceContext(Segments: tensor(documents, shape).to(device)) : null;
        return model.Hidden(tensor(ids, shape).to(device), context).MoveToOuterDisposeScope();
    }
}
