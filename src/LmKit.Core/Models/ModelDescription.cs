using System.Globalization;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a model consists of, layer by layer, with its sizes; <see cref="ToString"/> is a table for people.</summary>
/// <param name="Layers">The layers, in their order.</param>
/// <param name="ParameterCount">Numbers of all parameters, shared ones once.</param>
/// <param name="ByteCount">Their bytes.</param>
/// <param name="LinearCount">Numbers that the weights of all linears hold.</param>
/// <param name="DenseLinearCount">Numbers that dense weights of the same widths would hold.</param>
public sealed record ModelDescription(IReadOnlyList<LayerDescription> Layers, long ParameterCount, long ByteCount, long LinearCount, long DenseLinearCount)
{
    internal static ModelDescription From(LanguageModel model)
    {
        using var scope = NewDisposeScope();
        var linears = model.named_modules().Where(entry => entry.module is ILinear).OrderBy(entry => entry.name.Length).ToList();
        var outer = linears.Where(entry => !linears.Any(other => entry.name.StartsWith(other.name + ".", StringComparison.Ordinal))).ToList();
        var layers = model.Blocks.Select((block, index) => LayerDescription.From(model, block, index, outer)).ToList();
        var parameters = model.parameters().ToList();
        return new ModelDescription(
            layers,
            parameters.Sum(parameter => parameter.numel()),
            parameters.Sum(parameter => parameter.numel() * parameter.element_size()),
            outer.Sum(entry => entry.module.parameters().Where(parameter => parameter.dim() > 1).Sum(parameter => parameter.numel())),
            outer.Where(entry => entry.module.parameters().Any()).Sum(entry => ((ILinear)entry.module).InFeatures * ((ILinear)entry.module).OutFeatures));
    }

    /// <summary>The table: a line for each layer, then the totals.</summary>
    public override string ToString()
    {
        string[] heads = ["layer", "block", "mixer", "mask", "positions", "feed-forward", "norm", "linears", "dictionaries", "parameters", "bytes", "state bytes per row", "and per token"];
        var rows = Layers.Select(layer => (string[])
        [
            Text(layer.Index), layer.Block, layer.Mixer, layer.Mask ?? "-", layer.Positions ?? "-", layer.FeedForward ?? "-", layer.Norm ?? "-", layer.Linears, layer.Dictionaries ?? "-",
            Text(layer.ParameterCount), Text(layer.ByteCount), Text(layer.StateBytesPerRow), Text(layer.StateBytesPerToken),
        ]).Prepend(heads).ToList();
        var widths = heads.Select((_, column) => rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in rows)
            _ = text.Append(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd()).Append('\n');
        return text.Append(CultureInfo.InvariantCulture, $"all: {ParameterCount:N0} parameters, {ByteCount:N0} bytes; ")
            .Append(CultureInfo.InvariantCulture, $"linears: {LinearCount:N0} numbers, dense ones would have {DenseLinearCount:N0}; ")
            .Append(CultureInfo.InvariantCulture, $"state: {Layers.Sum(layer => layer.StateBytesPerRow):N0} bytes per row and {Layers.Sum(layer => layer.StateBytesPerToken):N0} per token\n")
            .ToString();
    }

    private static string Text(long? number) => number?.ToString("N0", CultureInfo.InvariantCulture) ?? "-";
}

/// <summary>What one layer consists of.</summary>
/// <param name="Index">The layer, from 0.</param>
/// <param name="Block">The kind of its layout.</param>
/// <param name="Mixer">The kind of its mixer.</param>
/// <param name="Mask">The kind of its attention mask; null where nothing asks for one.</param>
/// <param name="Positions">The kind of its positions; null where nothing asks for them.</param>
/// <param name="FeedForward">The kind of its feed-forward part; null without one.</param>
/// <param name="Norm">The kind of its norms; null without any.</param>
/// <param name="Linears">How many linears of which type.</param>
/// <param name="Dictionaries">The kinds of the dictionaries named for its activations; null for none.</param>
/// <param name="ParameterCount">Numbers of its parameters.</param>
/// <param name="ByteCount">Their bytes.</param>
/// <param name="StateBytesPerRow">Bytes of a row's carried state before the first token; null where no state can be carried.</param>
/// <param name="StateBytesPerToken">Bytes that the state grows by with each token of a row, until the mask forgets; null likewise.</param>
public sealed record LayerDescription(
    int Index,
    string Block,
    string Mixer,
    string? Mask,
    string? Positions,
    string? FeedForward,
    string? Norm,
    string Linears,
    string? Dictionaries,
    long ParameterCount,
    long ByteCount,
    long? StateBytesPerRow,
    long? StateBytesPerToken)
{
    internal static LayerDescription From(LanguageModel model, IBlock block, int index, IEnumerable<(string name, nn.Module module)> linears)
    {
        var (plan, build) = (model.Building.Plan, model.Building);
        var parameters = ((nn.Module)block).parameters().ToList();
        var counts = linears.Where(entry => entry.name.StartsWith($"layers.{index}.", StringComparison.Ordinal))
            .GroupBy(entry => entry.module.GetType().Name).OrderByDescending(group => group.Count()).Select(group => $"{group.Count()} {group.Key}");
        var (perRow, perToken) = block.IsCausal ? State(block) : (null, null);
        return new LayerDescription(
            index,
            Kind(Slots.Block) ?? "-",
            Kind(Slots.Mixer) ?? "-",
            Kind(Slots.Mask),
            Kind(Slots.Positions),
            Kind(Slots.FeedForward),
            Kind(Slots.Norm),
            string.Join(", ", counts),
            plan.Dictionaries(index).Select(component => component.Kind.Name).ToList() is { Count: > 0 } kinds ? string.Join(", ", kinds) : null,
            parameters.Sum(parameter => parameter.numel()),
            parameters.Sum(parameter => parameter.numel() * parameter.element_size()),
            perRow,
            perToken);

        string? Kind(Slot slot) => build.IsAsked(slot, index) ? plan.Winner(slot, index)?.Kind.Name ?? CoreKinds.Default(slot, plan.Options.IsBidirectional)?.Name : null;
    }

    // A tensor that is empty along one axis grows along it.
    private static (long?, long?) State(IBlock block)
    {
        using var state = block.NewState(1);
        var (row, token) = (0L, 0L);
        foreach (var tensor in state.Tensors.Values)
        {
            var size = tensor.shape.Where(axis => axis > 0).Aggregate(tensor.element_size(), (product, axis) => product * axis);
            if (tensor.numel() > 0)
                row += size;
            else
                token += size;
        }
        return (row, token);
    }
}
