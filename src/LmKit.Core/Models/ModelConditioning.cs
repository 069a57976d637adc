using static TorchSharp.torch;

namespace LmKit;

/// <summary>How a model comes from the level of a call to the condition that its blocks and its last norm are handed.</summary>
internal static class ModelConditioning
{
    /// <summary>Makes the condition in the caller's dispose scope; null for a model without a conditioning.</summary>
    /// <exception cref="ArgumentException">There is a level and no conditioning, or the other way round, or the level does not fit the tokens.</exception>
    internal static Tensor? Compute(IConditioning? conditioning, Tensor tokens, SequenceContext? context)
    {
        if (context?.Condition is not null)
            throw new ArgumentException($"{nameof(SequenceContext)}.{nameof(SequenceContext.Condition)} is what a model makes for its blocks; give the model a {nameof(SequenceContext.Level)}.", nameof(context));
        if (conditioning is null)
        {
            return context?.Level is null
                ? null
                : throw new ArgumentException($"{nameof(SequenceContext)}.{nameof(SequenceContext.Level)} is given, and this model has no conditioning that reads it; leave it out, or configure a conditioning.", nameof(context));
        }
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(LanguageModel));
        var level = context?.Level
            ?? throw new ArgumentException($"This model is conditioned by {conditioning.GetType().Name} and is told no level; give {nameof(SequenceContext)}.{nameof(SequenceContext.Level)}, one number for each row or one for all.", nameof(context));
        new TensorCheck(nameof(LanguageModel)).AnyFloating(level, nameof(SequenceContext.Level), "R");
        if (tokens.dim() > 0 && level.size(0) != 1 && level.size(0) != tokens.size(0))
            throw new ArgumentException($"{nameof(SequenceContext.Level)} has one entry for all rows or one for each of {tokens.size(0)}; got ({string.Join(", ", level.shape)}).", nameof(context));
        if (level.device_type != tokens.device_type)
            throw new ArgumentException($"{nameof(SequenceContext.Level)} lies on {level.device} and the tokens on {tokens.device}; move one of them.", nameof(context));
        var condition = conditioning.call(level);
        return condition.dim() == 2 && condition.size(0) == level.size(0) && condition.size(1) == conditioning.ConditionDim
            ? condition
            : throw new InvalidOperationException($"{conditioning.GetType().Name} makes ({level.size(0)}, {conditioning.ConditionDim}) of levels ({level.size(0)}); it made ({string.Join(", ", condition.shape)}).");
    }

    /// <summary>Fails unless the condition reaches every layer.</summary>
    /// <param name="plan">The configuration.</param>
    /// <param name="isTaken">Whether a part of a layer takes it.</param>
    /// <exception cref="ConfigurationException">A layer does not take it; names its block and the conditioning.</exception>
    internal static void CheckTaken(ModelPlan plan, Func<int, bool> isTaken)
    {
        if (plan.Winner(Slots.Conditioning) is not { } conditioning)
            return;
        foreach (var layer in Enumerable.Range(0, plan.Options.LayerCount).Where(layer => !isTaken(layer)))
        {
            var block = plan.Winner(Slots.Block, layer)?.Kind ?? CoreKinds.Default(Slots.Block, plan.Options.IsBidirectional);
            throw new ConfigurationException(conditioning.Path, $"the {block} of layer {layer} cannot be conditioned, but {conditioning.Kind} is configured; take a block that is (AddDiffusionBlock of LmKit.Diffusion), or drop the conditioning.");
        }
    }
}
