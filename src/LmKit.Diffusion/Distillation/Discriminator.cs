using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Tells reference sequences from a student's: a transformer's trunk with a spectrally normalised head, one logit a position.</summary>
/// <remarks>Ids (B, L) or soft rows (B, L, V), and true noise levels (B), to logits (B, L, 1). The logit estimates ln q_reference -
/// ln q_student, so a student maximises it. There is no final norm. Disposing waits for the calls that run.</remarks>
public sealed class Discriminator : nn.Module<Tensor, Tensor, Tensor>, IUseGated
{
    [ComponentName(Name = "vocab_embed")]
    private readonly TokenVectors embedding;
    [ComponentName(Name = "sigma_map")]
    private readonly TimestepEmbedding timestep;
    private readonly ModuleList<DiffusionBlock> blocks;
    [ComponentName(Name = "output_layer")]
    private readonly DiscriminatorHead head;
    private readonly Generator random;
    private readonly UseGate gate = new(nameof(Discriminator));

    /// <summary>Makes a discriminator of a transformer's sizes.</summary>
    public Discriminator(DiffusionTransformerOptions options, ScalarType dtype = ScalarType.Float32, Device? device = null)
        : base(nameof(Discriminator))
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        LibTorch.EnsureLoaded();
        random = new Generator(options.Seed);
        var parameters = new ParameterFactory(random, dtype, device);
        embedding = new TokenVectors(options.VocabSize, options.ModelDim, parameters);
        timestep = new TimestepEmbedding(options.ConditionDim, parameters);
        blocks = new ModuleList<DiffusionBlock>([.. Enumerable.Range(0, options.LayerCount).Select(_ => new DiffusionBlock(options, parameters, random))]);
        head = new DiscriminatorHead(options.ModelDim, parameters);
        RegisterComponents();
    }

    /// <summary>The generator that dropout draws from; its state belongs to a training checkpoint.</summary>
    public Generator Random => random;

    UseGate IUseGated.Gate => gate;

    /// <summary>Makes one that starts from a teacher's trunk.</summary>
    public static Discriminator FromTeacher(DiffusionTransformer teacher)
    {
        ArgumentNullException.ThrowIfNull(teacher);
        var discriminator = new Discriminator(teacher.Options, teacher.Dtype, teacher.parameters().First().device);
        using var frozen = no_grad();
        var source = teacher.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        foreach (var (name, parameter) in discriminator.named_parameters())
        {
            if (source.TryGetValue(name, out var value))
                parameter.copy_(value);
        }
        return discriminator;
    }

    /// <summary>Leaves only the last blocks and the head to be trained, as the official code does with 4.</summary>
    public void FreezeAllBut(int lastBlocks)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lastBlocks);
        var kept = blocks.Skip(Math.Max(0, blocks.Count - lastBlocks)).SelectMany(block => block.parameters()).Concat(head.parameters()).Select(parameter => parameter.Handle).ToHashSet();
        foreach (var parameter in parameters())
            parameter.requires_grad = kept.Contains(parameter.Handle);
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor tokens, Tensor level)
    {
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(Discriminator));
        new TensorCheck(nameof(Discriminator)).AnyFloating(level, nameof(level), "B");
        DiffusionTransformer.CheckRows(level, nameof(level), tokens);
        using var use = gate.Enter();
        using var scope = NewDisposeScope();
        var condition = timestep.call(level);
        var x = embedding.call(tokens);
        foreach (var block in blocks)
            x = block.call(x, condition);
        return head.call(x).MoveToOuterDisposeScope();
    }

    /// <summary>Logits of hidden states (B, L, D), the head alone.</summary>
    public Tensor Head(Tensor hidden)
    {
        using var use = gate.Enter();
        return head.call(hidden);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            gate.Close(Free);
        else
            base.Dispose(disposing);

        void Free()
        {
            random.Dispose();
            base.Dispose(true);
        }
    }
}
