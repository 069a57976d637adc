using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The negative evidence lower bound of masked diffusion: E over t of weight(t) times -log p(x_0 | x_t), an upper bound of -log p(x_0).</summary>
public static class NegativeElbo
{
    /// <summary>The bound's terms (B, L) in nats from log-probabilities (B, L, V); exactly 0 where nothing is masked.</summary>
    /// <param name="logProbabilities">SUBS log-probabilities at the corrupted tokens.</param>
    /// <param name="clean">Clean tokens (B, L).</param>
    /// <param name="weight">Weight of each row, (B) (<see cref="NoiseLevels.Weight"/>).</param>
    public static Tensor PerToken(Tensor logProbabilities, Tensor clean, Tensor weight)
    {
        var check = new TensorCheck(nameof(NegativeElbo));
        check.AnyFloating(logProbabilities, nameof(logProbabilities), "B L V");
        DiffusionSteps.CheckTokens(ref check, clean);
        check.AnyFloating(weight, nameof(weight), "B");
        MaskingProcess.CheckNotNegative(clean);
        using var scope = NewDisposeScope();
        var picked = HalfPrecision.Widen(logProbabilities.gather(-1, clean.unsqueeze(-1)).squeeze(-1)); // (B, L)
        var factor = weight.to(picked.dtype, picked.device).neg().view(-1, 1);
        return (picked * factor).MoveToOuterDisposeScope();
    }

    /// <summary>One draw of the bound for a batch; only masked positions reach the vocabulary where the denoiser can split.</summary>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="clean">Clean tokens (B, L) int64.</param>
    /// <param name="levels">The batch's noise.</param>
    /// <param name="uniforms">Decides what is masked, (B, L) in [0, 1).</param>
    /// <param name="counted">Which positions count, (B, L) bool; null for all.</param>
    /// <returns>The summed loss in nats and the number of counted positions; a batch with nothing masked has loss 0.</returns>
    /// <exception cref="ArgumentException">A token is the mask id or lies outside the vocabulary, or the levels are not on the denoiser's
    /// scale.</exception>
    public static TrainingLoss Of(IDenoiser denoiser, Tensor clean, NoiseLevels levels, Tensor uniforms, Tensor? counted = null)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(levels);
        MaskingProcess.CheckClean(clean, denoiser.VocabSize, denoiser.MaskId);
        CheckScale(denoiser, levels.Scale);
        var check = new TensorCheck(nameof(NegativeElbo));
        check.Integers(clean, nameof(clean), "B L");
        // Levels may lie on another device: they are moved.
        foreach (var (value, name) in ((Tensor, string)[])[(levels.Level, nameof(levels.Level)), (levels.MaskedShare, nameof(levels.MaskedShare)), (levels.Weight, nameof(levels.Weight))])
        {
            var one = new TensorCheck(nameof(NegativeElbo));
            one.Bind("B", clean.size(0));
            one.AnyFloating(value, name, "B");
        }
        if (counted is not null)
            check.Truths(counted, nameof(counted), "B L");
        using var scope = NewDisposeScope();
        var corrupted = MaskingProcess.Corrupt(clean, levels.MaskedShare.to(clean.device), denoiser.MaskId, uniforms);
        var level = levels.Level.to(clean.device);
        var count = counted is null ? clean.numel() : counted.sum().item<long>();
        if (denoiser is not ISplitDenoiser split)
        {
            var terms = PerToken(denoiser.call(corrupted, level), clean, levels.Weight);
            return new TrainingLoss((counted is null ? terms.sum() : (terms * counted.to(terms.dtype)).sum()).MoveToOuterDisposeScope(), count);
        }
        var hidden = split.Hidden(corrupted, level);
        var wanted = corrupted.eq(denoiser.MaskId);
        if (counted is not null)
            wanted = wanted.logical_and(counted);
        var index = wanted.view(-1).nonzero().squeeze(1); // (R)
        if (index.size(0) == 0)
            return new TrainingLoss(HalfPrecision.Widen(hidden.narrow(0, 0, 0)).sum().MoveToOuterDisposeScope(), count);
        var picked = Of(split, hidden, clean, index);
        var weight = levels.Weight.to(picked.dtype, picked.device).unsqueeze(1).expand(clean.shape).reshape(-1).index_select(0, index);
        return new TrainingLoss((picked * weight).sum().neg().MoveToOuterDisposeScope(), count);
    }

    /// <summary>Log-probabilities (R) of the clean tokens at masked places (R) of the flattened grid.</summary>
    internal static Tensor Picked(IDenoiser denoiser, Tensor clean, Tensor corrupted, Tensor level, Tensor index)
    {
        using var scope = NewDisposeScope();
        if (denoiser is ISplitDenoiser split)
            return Of(split, split.Hidden(corrupted, level), clean, index).MoveToOuterDisposeScope();
        var picked = denoiser.call(corrupted, level).gather(-1, clean.unsqueeze(-1)).reshape(-1); // (B L)
        return HalfPrecision.Widen(picked.index_select(0, index)).MoveToOuterDisposeScope();
    }

    private static Tensor Of(ISplitDenoiser split, Tensor hidden, Tensor clean, Tensor index)
    {
        var rows = split.LogProbabilities(hidden.flatten(0, 1).index_select(0, index)); // (R, V)
        return HalfPrecision.Widen(rows.gather(-1, clean.reshape(-1).index_select(0, index).unsqueeze(-1)).squeeze(-1));
    }

    /// <summary>Fails where a network with time conditioning would be told noise on another scale than its samplers tell it.</summary>
    internal static void CheckScale(IDenoiser denoiser, LevelScale scale)
    {
        if (!denoiser.IsTimeConditioned || denoiser.Scale == scale)
            return;
        throw new ArgumentException(
            $"The network is made to be told {denoiser.Scale} and the noise times tell it {scale}, so it would be sampled on another scale than it was trained on: "
            + $"set {nameof(TimestepEmbeddingOptions)}.{nameof(TimestepEmbeddingOptions.Scale)} (level_scale), or {nameof(IDenoiser.Scale)} of a denoiser of your own, to {scale}, or choose the weighting that goes with {denoiser.Scale}.",
            nameof(denoiser));
    }
}
