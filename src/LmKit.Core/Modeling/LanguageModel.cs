using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A language model of pre-norm layers: embedding, blocks, final norm, head.</summary>
/// <remarks>Built from a <see cref="ModelConfig"/> alone. Calls may run side by side on different threads as long as nobody trains
/// it and each has its own state.</remarks>
public sealed class LanguageModel : nn.Module<Tensor, SequenceContext?, Tensor>, ILanguageModel
{
    [ComponentName(Name = "embeddings")]
    private readonly TokenEmbedding embedding;
    private readonly ModuleList<Block> layers;
    [ComponentName(Name = "ln_f")]
    private readonly nn.IModule<Tensor, Tensor> norm;
    [ComponentName(Name = "lm_head")]
    private readonly DenseLinear? head;
    private readonly TiedHead? tiedHead;
    private readonly Generator random;
    private readonly HookPoint embedded = new("embeddings.out");
    private readonly HookPoint final = new("ln_f.out");

    private LanguageModel(ModelConfig config, ModelPlan plan, ParameterFactory parameters, Generator random)
        : base(nameof(LanguageModel))
    {
        Config = config;
        this.random = random;
        var options = plan.Options;
        VocabSize = options.VocabSize;
        IsCausal = !options.IsBidirectional;
        embedding = new TokenEmbedding(options, parameters, random);
        layers = new ModuleList<Block>([.. Enumerable.Range(0, options.LayerCount).Select(Layer)]);
        norm = plan.CreateNorm(new LayerContext(plan, options.LayerCount, "ln_f", parameters, random));
        if (options.IsHeadTied)
            tiedHead = new TiedHead(embedding.Words);
        else
            head = new DenseLinear(new LinearSite("lm_head", options.LayerCount, options.ModelDim, options.VocabSize, false, options.InitializerRange, parameters));
        plan.CheckAllUsed();
        HookPoints = new[] { embedded }.Concat(layers.SelectMany(layer => layer.HookPoints)).Append(final).ToDictionary(point => point.Name);
        RegisterComponents();

        Block Layer(int index) => new(new LayerContext(plan, index, $"layers.{index}", parameters, random), plan);
    }

    /// <summary>The configuration it was built from.</summary>
    public ModelConfig Config { get; }

    /// <inheritdoc/>
    public long VocabSize { get; }

    /// <inheritdoc/>
    public bool IsCausal { get; }

    /// <summary>The places where activations can be read and edited, by name.</summary>
    public IReadOnlyDictionary<string, HookPoint> HookPoints { get; }

    /// <summary>The generator that dropout draws from; its state belongs to a training checkpoint.</summary>
    public Generator Random => random;

    /// <summary>Builds a model from a configuration.</summary>
    /// <param name="config">What to build.</param>
    /// <param name="kinds">The kinds it may name.</param>
    /// <param name="device">Where; the CPU by default.</param>
    /// <param name="dtype">Dtype of the parameters.</param>
    /// <param name="initializes">False leaves parameters undefined, for a checkpoint to fill.</param>
    /// <exception cref="ConfigurationException">The configuration cannot work; names the place and the value.</exception>
    public static LanguageModel Build(
        ModelConfig config,
        ComponentRegistry kinds,
        Device? device = null,
        ScalarType dtype = ScalarType.Float32,
        bool initializes = true)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(kinds);
        LibTorch.EnsureLoaded();
        var plan = new ModelPlan(config, kinds);
        var random = new Generator(plan.Options.Seed);
        return new LanguageModel(config, plan, new ParameterFactory(random, dtype, device, initializes), random);
    }

    /// <inheritdoc/>
    public MixerState NewState(long batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        return new ModelState([.. layers.Select(layer => layer.Mixing.NewState(batch))], new DocumentCursor(batch));
    }

    /// <inheritdoc/>
    public Tensor Hidden(Tensor tokens, SequenceContext? context = null)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        var state = context?.State switch
        {
            null => null,
            ModelState own when own.Layers.Count == layers.Count => own,
            var other => throw new ArgumentException($"{other.GetType().Name} is not a state of this model; NewState makes one.", nameof(context)),
        };
        using var scope = NewDisposeScope();
        var x = embedded.Pass(embedding.call(tokens, context)); // (B, L, D)
        for (var index = 0; index < layers.Count; index++)
            x = layers[index].call(x, context is null ? null : context with { State = state?.Layers[index] });
        state?.Advance(tokens.size(1));
        return final.Pass(norm.call(x)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Logits(Tensor hidden) => tiedHead?.Logits(hidden) ?? head!.call(hidden);

    /// <inheritdoc/>
    public override Tensor forward(Tensor tokens, SequenceContext? context)
    {
        using var hidden = Hidden(tokens, context);
        return Logits(hidden);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            random.Dispose();
        base.Dispose(disposing);
    }
}
