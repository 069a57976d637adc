using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A frozen embedding table with a trained low-rank update: E'[id] = E[id] + s A[:, id]^T B^T.</summary>
/// <remarks>A is (R, V) and starts at zero, B is (D, R) and starts at N(0, 1), as in PEFT, and as there nothing is dropped out.</remarks>
public sealed class LoraEmbedding : nn.Module<Tensor, Tensor>, IParameterHints, ILoraAdapter
{
    [ComponentName(Name = "base_layer")]
    private readonly EmbeddingTable inner;
    [ComponentName(Name = "lora_embedding_A")]
    private readonly Parameter A;
    [ComponentName(Name = "lora_embedding_B")]
    private readonly Parameter B;
    private readonly LoraOptions own;
    private readonly long? padding;
    private readonly double fullScale;
    private double strength;

    /// <summary>Puts an adapter around a table and freezes the table.</summary>
    /// <param name="options">Rank and scale.</param>
    /// <param name="inner">The table.</param>
    /// <param name="parameters">Makes the factors.</param>
    /// <param name="paddingIndex">An id whose column of A gets no gradient, or null.</param>
    /// <exception cref="ArgumentException">The options ask for weight decomposition or a bias, which a table does not have, or another start.</exception>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public LoraEmbedding(LoraOptions options, EmbeddingTable inner, ParameterFactory parameters, long? paddingIndex = null)
        : base(nameof(LoraEmbedding))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(parameters);
        OptionsJson.Validate(options, nameof(LoraEmbedding));
        if (options.IsWeightDecomposed || options.HasBias)
            throw new ArgumentException($"{nameof(LoraOptions)}.{(options.IsWeightDecomposed ? nameof(options.IsWeightDecomposed) : nameof(options.HasBias))} = true is for linears; an embedding has plain adapters only.", nameof(options));
        if (options.InitializationDeviation is { } deviation)
            throw new ArgumentException(FormattableString.Invariant($"{nameof(LoraOptions)}.{nameof(options.InitializationDeviation)} = {deviation} is for linears; an embedding's factors start at zero and at N(0, 1)."), nameof(options));
        this.inner = inner;
        own = options.Copy();
        padding = paddingIndex;
        strength = own.Strength;
        IsEnabled = own.IsEnabled;
        fullScale = ((ILoraAdapter)this).FullScale;
        var table = inner.get_parameter("weight")!;
        table.requires_grad_(false);
        A = parameters.Constant(0, own.Rank, inner.Count);
        B = parameters.Normal(1, table.size(1), own.Rank);
        RegisterComponents();
    }

    /// <summary>Its rank r.</summary>
    public int Rank => own.Rank;

    /// <summary>Its alpha.</summary>
    public double Alpha => own.Alpha;

    /// <summary>Whether it acts; false gives the table's rows back bit for bit.</summary>
    public bool IsEnabled { get; set; }

    /// <summary>A factor on the update, 1 by default.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not finite.</exception>
    public double Strength
    {
        get => strength;
        set => strength = double.IsFinite(value) ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The strength must be finite.");
    }

    LoraOptions ILoraAdapter.Options => own;

    LoraOptions ILoraAdapter.Record => own;

    IEnumerable<AdapterPart> ILoraAdapter.Parts => [AdapterPart.Of(".lora_embedding_A", A), AdapterPart.Of(".lora_embedding_B", B)];

    private double Scale => strength * fullScale;

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName)
    {
        ArgumentNullException.ThrowIfNull(parameterName);
        return parameterName.StartsWith("lora_", StringComparison.Ordinal) ? new ParameterHint(Decays: false) : null;
    }

    /// <summary>The table as it acts now (V, D); the caller disposes it.</summary>
    public Tensor ToDense()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var table = inner.get_parameter("weight")!;
        return (IsEnabled ? table + mm(B, A).t() * Scale : table.clone()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor indices)
    {
        new TensorCheck(nameof(LoraEmbedding)).Integers(indices, nameof(indices), "...");
        if (!IsEnabled)
            return inner.call(indices);
        using var scope = NewDisposeScope();
        var y = inner.call(indices); // checks the indices
        var flat = indices.reshape(-1);
        var columns = A.index_select(1, flat).t(); // (N, R)
        if (padding is { } id)
        {
            var isPadding = flat.eq(id).unsqueeze(1);
            columns = where(isPadding, columns.detach(), columns);
        }
        return (y + nn.functional.linear(columns, B).view(y.shape) * Scale).MoveToOuterDisposeScope();
    }
}
