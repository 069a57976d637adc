using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>AdamW's moments by parameter name, for training checkpoints: name.exp_avg, name.exp_avg_sq, name.step.</summary>
internal static class AdamWState
{
    internal static Dictionary<string, Tensor> Save(AdamW optimizer, IReadOnlyList<string> names)
    {
        var saved = new Dictionary<string, Tensor>();
        foreach (var (name, state) in Pairs(optimizer, names))
        {
            saved[$"{name}.exp_avg"] = state.exp_avg;
            saved[$"{name}.exp_avg_sq"] = state.exp_avg_sq;
            saved[$"{name}.step"] = tensor(state.step);
        }
        return saved;
    }

    /// <summary>Refuses moments that are not exactly this optimizer's in names, shapes and types.</summary>
    internal static void Check(AdamW optimizer, IReadOnlyList<string> names, IReadOnlyDictionary<string, Tensor> saved)
    {
        using var scope = NewDisposeScope();
        CheckpointLoader.Check("The checkpoint's optimizer state", Save(optimizer, names), saved);
    }

    internal static void Restore(AdamW optimizer, IReadOnlyList<string> names, IReadOnlyDictionary<string, Tensor> saved)
    {
        using var frozen = no_grad();
        Check(optimizer, names, saved);
        foreach (var (name, state) in Pairs(optimizer, names))
        {
            state.exp_avg.copy_(saved[$"{name}.exp_avg"]);
            state.exp_avg_sq.copy_(saved[$"{name}.exp_avg_sq"]);
            state.step = saved[$"{name}.step"].item<long>();
        }
    }

    private static IEnumerable<(string Name, AdamW.State State)> Pairs(AdamW optimizer, IReadOnlyList<string> names) =>
        names.Zip(optimizer.state_dict().State.Cast<AdamW.State>());
}
