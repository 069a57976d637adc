using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The diffusion transformer (DiT) of masked diffusion: tokens (B, L) or soft rows (B, L, V), and noise levels (B), to logits (B, L, V).</summary>
/// <remarks>
/// <para>Component names and shapes are the published checkpoints' (<see cref="MdlmKeyMap"/>). Logits are raw: <see cref="TransformerDenoiser"/>
/// makes an <see cref="IDenoiser"/> of it. A level of one entry serves all rows.</para>
/// <para>A new transformer's blocks are the identity and its logits zero. Calls may run side by side while nobody trains it. Disposing and
/// moving wait for the calls that run; a call of a disposed transformer gets <see cref="ObjectDisposedException"/>.</para>
/// </remarks>
public sealed class DiffusionTransformer : nn.Module<Tensor, Tensor, Tensor>, IUseGated
{
    [ComponentName(Name = "vocab_embed")]
    private readonly TokenVectors embedding;
    [ComponentName(Name = "sigma_map")]
    private readonly TimestepEmbedding timestep;
    private readonly ModuleList<DiffusionBlock> blocks;
    [ComponentName(Name = "output_layer")]
    private readonly DiffusionHead head;
    private readonly Generator random;
    [ComponentName(Name = "level_scale")]
    private readonly Tensor? scaleMark; // in the weights of networks on another scale than the published ones
    private readonly UseGate gate = new(nameof(DiffusionTransformer));

    /// <summary>Makes the transformer.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="dtype">Dtype of the parameters.</param>
    /// <param name="device">Where; the CPU by default.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public DiffusionTransformer(DiffusionTransformerOptions options, ScalarType dtype = ScalarType.Float32, Device? device = null)
        : base(nameof(DiffusionTransformer))
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        LibTorch.EnsureLoaded();
        Options = options;
        random = new Generator(options.Seed);
        var parameters = new ParameterFactory(random, dtype, device);
        embedding = new TokenVectors(options.VocabSize, options.ModelDim, parameters);
        timestep = new TimestepEmbedding(options.ConditionDim, parameters);
        blocks = new ModuleList<DiffusionBlock>([.. Enumerable.Range(0, options.LayerCount).Select(_ => new DiffusionBlock(options, parameters, random))]);
        head = new DiffusionHead(options, parameters);
        Dtype = dtype;
        scaleMark = options.Scale == LevelScale.TotalNoise ? null : tensor((long)options.Scale, device: device).DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <summary>The sizes it was made with.</summary>
    public DiffusionTransformerOptions Options { get; }

    /// <summary>Dtype of the parameters.</summary>
    public ScalarType Dtype { get; }

    /// <summary>The generator that dropout draws from; its state belongs to a training checkpoint.</summary>
    public Generator Random => random;

    UseGate IUseGated.Gate => gate;

    /// <summary>The conditioning vector (B, c) of levels (B).</summary>
    public Tensor Condition(Tensor level)
    {
        using var use = gate.Enter();
        return timestep.call(level);
    }

    /// <summary>Hidden states (B, L, D) after every block, before the head's norm.</summary>
    /// <param name="tokens">Ids (B, L) or soft rows (B, L, V).</param>
    /// <param name="condition">From <see cref="Condition"/>.</param>
    /// <param name="blockCount">How many blocks to run; null for all.</param>
    public Tensor Trunk(Tensor tokens, Tensor condition, int? blockCount = null)
    {
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(DiffusionTransformer));
        var check = new TensorCheck(nameof(DiffusionTransformer));
        check.Bind("C", Options.ConditionDim);
        check.AnyFloating(condition, nameof(condition), "R C");
        CheckRows(condition, nameof(condition), tokens);
        if (blockCount is { } wanted && (wanted < 0 || wanted > blocks.Count))
            throw new ArgumentOutOfRangeException(nameof(blockCount), wanted, $"The transformer has {blocks.Count} blocks.");
        using var use = gate.Enter();
        using var scope = NewDisposeScope();
        var x = embedding.call(tokens);
        foreach (var block in blocks.Take(blockCount ?? blocks.Count))
            x = block.call(x, condition);
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>Final hidden states (B, L, D), modulated by the level: what <see cref="Logits"/> takes.</summary>
    public Tensor Hidden(Tensor tokens, Tensor level)
    {
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(DiffusionTransformer));
        new TensorCheck(nameof(DiffusionTransformer)).AnyFloating(level, nameof(level), "B");
        CheckRows(level, nameof(level), tokens);
        using var use = gate.Enter();
        using var scope = NewDisposeScope();
        var condition = Condition(level);
        return head.Normalize(Trunk(tokens, condition), condition).MoveToOuterDisposeScope();
    }

    /// <summary>Logits (..., V) of final hidden states (..., D).</summary>
    public Tensor Logits(Tensor hidden)
    {
        using var use = gate.Enter();
        return head.Logits(hidden);
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor tokens, Tensor level)
    {
        using var use = gate.Enter();
        using var hidden = Hidden(tokens, level);
        return Logits(hidden);
    }

    /// <summary>Fails unless a tensor has one entry for all rows of tokens or one for each, on their device.</summary>
    internal static void CheckRows(Tensor perRow, string name, Tensor tokens)
    {
        if (tokens.dim() > 0 && perRow.size(0) != 1 && perRow.size(0) != tokens.size(0))
            throw new ArgumentException($"{name} has one entry for all rows or one for each of {tokens.size(0)}; got ({string.Join(", ", perRow.shape)}).", name);
        if (perRow.device_type != tokens.device_type)
            throw new ArgumentException($"{name} lies on {perRow.device} and the tokens on {tokens.device}; move one of them.", name);
    }

    /// <inheritdoc/>
    protected override nn.Module _to(Device device, ScalarType dtype, bool non_blocking)
    {
        gate.Alone(() => base._to(device, dtype, non_blocking));
        return this;
    }

    /// <inheritdoc/>
    protected override nn.Module _to(DeviceType deviceType, int deviceIndex, bool non_blocking)
    {
        gate.Alone(() => base._to(deviceType, deviceIndex, non_blocking));
        return this;
    }

    /// <inheritdoc/>
    protected override nn.Module _to(ScalarType dtype, bool non_blocking)
    {
        gate.Alone(() => base._to(dtype, non_blocking));
        return this;
    }

    /// <inheritdoc/>
    public override void train(bool train = true)
    {
        using var use = gate.Enter();
        base.train(train);
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
