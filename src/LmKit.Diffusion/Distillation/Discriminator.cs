using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Tells reference sequences from a student's: a bidirectional model without its last norm, whose head is spectrally normalised and gives one
/// logit a position.</summary>
/// <remarks>Ids (B, L) or soft rows (B, L, V), and true noise levels (B), which a model without a conditioning does not read, to logits
/// (B, L, 1). The logit estimates ln q_reference - ln q_student, so a student maximises it. It owns its <see cref="Model"/>, which is saved,
/// loaded, adapted and tapped as any language model; the two share one mode.</remarks>
public sealed class Discriminator : nn.Module<Tensor, Tensor, Tensor>, IReward, IUseGated
{
    [ComponentName(Name = "model")]
    private readonly LanguageModel model;

    /// <summary>Makes a discriminator of a model with the head that one needs.</summary>
    /// <param name="model">A bidirectional model with <see cref="DiscriminatorComponent.AddDiscriminatorHead"/>; the discriminator disposes it.</param>
    /// <exception cref="ArgumentException">The model is causal or has another head.</exception>
    public Discriminator(LanguageModel model)
        : base(nameof(Discriminator))
    {
        ArgumentNullException.ThrowIfNull(model);
        CheckBidirectional(model);
        var head = model.Building.Plan.Winner(Slots.Head)?.Kind ?? HeadComponents.Linear;
        if (head != DiscriminatorComponent.Kind)
            throw new ArgumentException($"A discriminator's head is '{DiscriminatorComponent.Kind.Name}', and this model has '{head.Name}'; add it ({nameof(DiscriminatorComponent.AddDiscriminatorHead)}), or make the discriminator {nameof(FromTeacher)}.", nameof(model));
        this.model = model;
        RegisterComponents();
        train(model.training);
    }

    /// <summary>The model; its last step is the discriminator's head.</summary>
    public LanguageModel Model => model;

    /// <summary>The generator that dropout draws from; its state belongs to a training checkpoint.</summary>
    public Generator Random => model.Random;

    bool IReward.TakesSoftRows => true;

    UseGate IUseGated.Gate => ((IUseGated)model).Gate;

    /// <summary>Makes one that starts from a teacher's embedding, conditioning and layers, by the teacher's seed; it is in evaluation mode.</summary>
    /// <param name="teacher">Any bidirectional model; neither changed nor kept.</param>
    /// <exception cref="ArgumentException">The teacher is causal, or its embedding has a norm, which would go with the last one.</exception>
    public static Discriminator FromTeacher(LanguageModel teacher)
    {
        ArgumentNullException.ThrowIfNull(teacher);
        CheckBidirectional(teacher);
        var values = ModuleTensors.Of(teacher).Where(pair => !IsOfEnd(pair.Key)).ToList();
        var model = LanguageModel.Build(
            Configuration(teacher.Building.Written),
            teacher.Kinds.Copy().Add(DiscriminatorComponent.Kind),
            values.Count > 0 ? values[0].Value.device : null,
            ModelFolder.StoredDtype(values.Select(pair => pair.Value.dtype)));
        try
        {
            var places = ModuleTensors.Of(model);
            using var frozen = no_grad();
            foreach (var (name, value) in values)
            {
                if (!places.TryGetValue(name, out var place))
                    throw new ArgumentException($"The teacher's '{name}' has no place in a discriminator, which has no last norm, nor one of its kind behind the embedding; take a teacher without it.", nameof(teacher));
                _ = place.copy_(value);
            }
            IPreparedWeights.ForgetAll(model);
            return new Discriminator(model);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Freezes all but the last blocks and the head, as the official code does with 4.</summary>
    public void FreezeAllBut(int lastBlocks)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lastBlocks);
        var first = Math.Max(0, model.Blocks.Count - lastBlocks);
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (!IsOfEnd(name) && !Enumerable.Range(first, model.Blocks.Count - first).Any(layer => name.StartsWith($"layers.{layer}.", StringComparison.Ordinal)))
                parameter.requires_grad = false;
        }
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor tokens, Tensor level)
    {
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(Discriminator));
        new TensorCheck(nameof(Discriminator)).AnyFloating(level, nameof(level), "B");
        return model.call(tokens, model.Conditioning is null ? null : new SequenceContext { Level = level });
    }

    Tensor IReward.Score(Tensor tokens, Tensor level)
    {
        using var logits = call(tokens, level);
        return logits.squeeze(-1);
    }

    private static void CheckBidirectional(LanguageModel model)
    {
        if (model.IsCausal)
            throw new ArgumentException($"A discriminator sees tokens on both sides, and this model's mixers are causal; set {nameof(LanguageModelOptions.IsBidirectional)} and use mixers that can be.", nameof(model));
    }

    // What belongs to the last norm or the head.
    private static bool IsOfEnd(string name) => name.StartsWith("ln_f.", StringComparison.Ordinal) || name.StartsWith(LinearSite.Head, StringComparison.Ordinal);

    private static ModelConfig Configuration(ModelConfig teacher)
    {
        var options = teacher.ReadOptions();
        options.IsHeadTied = false;
        var kept = teacher.Components.Where(entry => entry.Slot != Slots.Sampler && entry.Slot != Slots.Dictionary).Select(WithoutEnd).OfType<ComponentEntry>();
        var builder = LanguageModelBuilder.From(new ModelConfig(options, [.. kept]));
        return builder.AddDiscriminatorHead().Config;

        static ComponentEntry? WithoutEnd(ComponentEntry entry)
        {
            if (entry.Sites is not { } sites || !sites.Any(IsOfEnd))
                return entry;
            var left = sites.RemoveAll(IsOfEnd);
            return left.IsEmpty ? null : new ComponentEntry(entry.Slot, entry.Kind, entry.Package, entry.Options, entry.Layers, left);
        }
    }
}
