using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A language model: embedding, layers, final norm, head.</summary>
/// <remarks>Built from a <see cref="ModelConfig"/> alone. Calls may run side by side on different threads as long as nobody trains
/// it and each has its own state. Disposing, and moving to another device or dtype, wait for the calls that run; a call of a disposed
/// model gets <see cref="ObjectDisposedException"/>.</remarks>
public sealed class LanguageModel : nn.Module<Tensor, SequenceContext?, Tensor>, ILanguageModel, IUseGated
{
    [ComponentName(Name = "embeddings")]
    private readonly IEmbedding embedding;
    private readonly IConditioning? conditioning;
    private readonly ModuleList<nn.Module> layers;
    [ComponentName(Name = "ln_f")]
    private readonly nn.IModule<Tensor, Tensor> norm;
    [ComponentName(Name = "lm_head")]
    private readonly nn.IModule<Tensor, Tensor> head;
    private readonly Func<Tensor, Tensor>? headTransform;
    private readonly IBlock[] blocks;
    private readonly Generator random;
    private readonly ModelBuild build;
    private readonly UseGate gate = new(nameof(LanguageModel));
    private readonly HookPoint embedded = new("embeddings.out");
    private readonly HookPoint final = new("ln_f.out");
    private int isChanging;

    private LanguageModel(ModelPlan plan, ComponentRegistry kinds, ParameterFactory parameters, Generator random)
        : base(nameof(LanguageModel))
    {
        build = new ModelBuild(plan, parameters.Filling?.FreshFrom);
        Kinds = kinds;
        this.random = random;
        var options = plan.Options;
        VocabSize = options.VocabSize;
        IsCausal = !options.IsBidirectional;
        var hookPoints = new List<HookPoint> { embedded };
        embedding = build.Create(Slots.Embedding, options.LayerCount, Context(options.LayerCount, "embeddings"));
        ContextLength = embedding.ContextLength;
        conditioning = build.CreateConditioning(Context(options.LayerCount, "conditioning"));
        blocks = [.. Enumerable.Range(0, options.LayerCount).Select(Layer)];
        layers = new ModuleList<nn.Module>([.. blocks.Cast<nn.Module>()]);
        norm = build.Create(Slots.Norm, options.LayerCount, Context(options.LayerCount, "ln_f"));
        (head, headTransform) = build.Create(Slots.Head, options.LayerCount, new HeadSite(Context(options.LayerCount, LinearSite.Head), options.VocabSize, embedding, options.IsHeadTied));
        build.CheckAllUsed();
        ModelDictionaries.Check(plan, parameters.Dtype, random);
        hookPoints.Add(final);
        HookPoints = hookPoints.ToDictionary(point => point.Name);
        RegisterComponents();
        eval();

        IBlock Layer(int index) => build.Create(Slots.Block, index, Context(index, $"layers.{index}"));

        LayerContext Context(int layer, string path) => new(build, layer, path, parameters, random, hookPoints);
    }

    /// <summary>The configuration it was built from, with every default written out, and with what its parts changed in their own options
    /// since then, such as an adapter's strength: building from it gives this model again.</summary>
    public ModelConfig Config => build.Config;

    /// <summary>How it was built.</summary>
    internal ModelBuild Building => build;

    internal IReadOnlyList<IBlock> Blocks => blocks;

    /// <summary>The kinds it was built with.</summary>
    internal ComponentRegistry Kinds { get; }

    /// <inheritdoc/>
    public long VocabSize { get; }

    /// <inheritdoc/>
    public bool IsCausal { get; }

    /// <inheritdoc/>
    public long? ContextLength { get; }

    /// <inheritdoc/>
    public IConditioning? Conditioning => conditioning;

    UseGate IUseGated.Gate => gate;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, HookPoint> HookPoints { get; }

    /// <summary>The generator that dropout draws from; its state belongs to a training checkpoint.</summary>
    public Generator Random => random;

    /// <summary>Builds a model from a configuration; it is in evaluation mode, and a trainer switches as it needs.</summary>
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
        bool initializes = true) => Build(config, kinds, device, dtype, initializes, null);

    internal static LanguageModel Build(ModelConfig config, ComponentRegistry kinds, Device? device, ScalarType dtype, bool initializes, ParameterFilling? filling)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(kinds);
        LibTorch.EnsureLoaded();
        var plan = new ModelPlan(config, kinds);
        var random = new Generator(plan.Options.Seed);
        try
        {
            var parameters = new ParameterFactory(random, dtype, device, initializes) { Filling = filling };
            return parameters.Complete(() => new LanguageModel(plan, kinds, parameters, random));
        }
        catch
        {
            random.Dispose();
            throw;
        }
    }

    /// <summary>Loads a model folder: <c>config.json</c>, and <c>model.safetensors</c> or the files that <c>model.safetensors.index.json</c>
    /// names, or a published folder (<see cref="PublishedModel.Load"/>, with its errors); the model is in evaluation mode.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kinds">Adds the kinds of the packages in use, such as <c>kinds => kinds.AddSsm()</c>.</param>
    /// <param name="change">Changes the model while it is loaded, by the builder's verbs: a mask, positions, a sampler, a packed linear, an
    /// adapter. Weights that the change does not touch load strictly; one that would drop a weight of the file or need others than an
    /// adapter's start is refused. Null for none.</param>
    /// <param name="device">Where; the CPU by default.</param>
    /// <param name="dtype">Dtype of the parameters, to which the file's are converted; null takes the file's. Parameters that their
    /// module keeps in float32 or wider stay so.</param>
    /// <exception cref="ConfigurationException">The configuration cannot work, names an unknown kind or family, or asks for far more than
    /// the weights hold; names the file.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the configuration; lists every mismatch.</exception>
    /// <exception cref="SafetensorsException">A weights file breaks its format, or the index and its files do not agree.</exception>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="ArgumentException">A weight is not finite; names it.</exception>
    public static LanguageModel Load(string folder, Action<ComponentRegistry>? kinds = null, Action<LanguageModelBuilder>? change = null, Device? device = null, ScalarType? dtype = null)
    {
        var registry = new ComponentRegistry();
        kinds?.Invoke(registry);
        return ModelFolder.Load(folder, registry, change, device, dtype);
    }

    /// <summary>Makes a model that differs from this one by some of the builder's verbs, takes this one's tensors over and disposes it.</summary>
    /// <param name="change">The change: a mask, positions, a sampler, a packed linear, an adapter.</param>
    /// <returns>The new model, in the mode that this one was in, over the same tensors. What was attached to hook points is gone, merged
    /// adapters are unmerged, and optimizers hold the old model's parameters.</returns>
    /// <exception cref="ConfigurationException">The change cannot work, would drop a weight, or needs other fresh ones than an adapter's; this
    /// model stays as it was.</exception>
    /// <exception cref="InvalidOperationException">Another change of this model is under way.</exception>
    public LanguageModel With(Action<LanguageModelBuilder> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        LanguageModel changed;
        using (gate.Enter())
            changed = ModelChange.Apply(this, change, ref isChanging);
        Dispose();
        return changed;
    }

    /// <summary>What the model consists of, as a table for people.</summary>
    public ModelDescription Describe()
    {
        using var use = gate.Enter();
        return ModelDescription.From(this);
    }

    /// <summary>Makes the sampler that the configuration wants, over this model.</summary>
    public ISampler CreateSampler() => build.CreateSampler(this);

    /// <summary>Makes the dictionaries that the configuration names for a layer's activations, in the order in which they were added: in
    /// evaluation mode, with initial values, in the model's dtype and place; the caller disposes those that can be.</summary>
    /// <param name="layer">The layer, from 0.</param>
    /// <param name="random">Source of their initial values; null draws them from the model's seed and the layer.</param>
    /// <exception cref="ArgumentOutOfRangeException">The model has no such layer.</exception>
    public IReadOnlyList<IDictionary> CreateDictionaries(int layer, Generator? random = null)
    {
        using var use = gate.Enter();
        return ModelDictionaries.Create(this, layer, random);
    }

    /// <summary>Saves the model folder in one step; a failure leaves the files that were there.</summary>
    /// <param name="folder">The folder; everything in it that the save does not write stays.</param>
    /// <param name="more">Writes further files into the folder that it is given, such as the tokenizer's
    /// (<see cref="TokenizerFiles"/>); null for none.</param>
    /// <exception cref="IOException">The folder cannot be written, or holds a <c>config.json</c> or <c>model.safetensors</c> that is not a
    /// model's of this library; nothing was changed.</exception>
    public void Save(string folder, Action<string>? more = null)
    {
        using var use = gate.Enter();
        ModelFolder.Save(folder, this, more);
    }

    /// <inheritdoc/>
    public MixerState NewState(long batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        using var use = gate.Enter();
        return new ModelState(build.Plan, ModelState.Together([.. blocks.Select(block => (Func<MixerState>)(() => block.NewState(batch)))]), new DocumentCursor(batch));
    }

    /// <inheritdoc/>
    public Tensor Hidden(Tensor tokens, SequenceContext? context = null)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        var state = context?.State switch
        {
            null => null,
            ModelState own when ReferenceEquals(own.Plan, build.Plan) || own.Plan.CarriesAs(build.Plan) => own,
            ModelState => throw new ArgumentException("The state is of a model with other layers, blocks, mixers, masks or positions, and would go on with those; NewState makes one of this model.", nameof(context)),
            var other => throw new ArgumentException($"{other.GetType().Name} is not a state of this model; NewState makes one.", nameof(context)),
        };
        context?.Edits?.Check(this, tokens.size(0));
        state?.CheckWhole();
        using var use = gate.Enter();
        using var scope = NewDisposeScope();
        var condition = ModelConditioning.Compute(conditioning, tokens, context); // (B or 1, C)
        var x = embedding.call(tokens, context); // (B, L, D)
        try
        {
            x = embedded.Pass(x, context);
            for (var index = 0; index < blocks.Length; index++)
                x = blocks[index].call(x, context is null ? null : context with { State = state?.Layers[index], Condition = condition });
        }
        catch
        {
            state?.MarkTorn();
            throw;
        }
        state?.Advance(tokens.size(1));
        return final.Pass(condition is not null && norm is nn.IModule<Tensor, Tensor, Tensor> conditioned ? conditioned.call(x, condition) : norm.call(x), context).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Logits(Tensor hidden)
    {
        using var use = gate.Enter();
        if (headTransform is null)
            return head.call(hidden);
        using var logits = head.call(hidden);
        return headTransform(logits);
    }

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> HeadParameters => build.Options.IsHeadTied && embedding.Table is { } table ? [table, .. ((nn.Module)head).parameters()] : [.. ((nn.Module)head).parameters()];

    /// <inheritdoc/>
    public override Tensor forward(Tensor tokens, SequenceContext? context)
    {
        using var use = gate.Enter();
        using var hidden = Hidden(tokens, context);
        return Logits(hidden);
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
