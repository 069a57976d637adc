using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A frozen embedding table with a trained low-rank update: E'[id] = E[id] + s A[:, id]^T B^T.</summary>
/// <remarks>A is (R, V) and starts at zero, B is (D, R) and starts at N(0, 1), as in PEFT.</remarks>
public sealed class LoraEmbedding : nn.Module<Tensor, Tensor>, IParameterHints
{
    [ComponentName(Name = "base_layer")]
    private readonly EmbeddingTable inner;
    [ComponentName(Name = "lora_embedding_A")]
    private readonly Parameter A;
    [ComponentName(Name = "lora_embedding_B")]
    private readonly Parameter B;
    private readonly long? padding;
    private readonly double scale;

    /// <summary>Puts an adapter around a table and freezes the table.</summary>
    /// <param name="options">Rank and scale.</param>
    /// <param name="inner">The table.</param>
    /// <param name="parameters">Makes the factors.</param>
    /// <param name="paddingIndex">An id whose column of A gets no gradient, or null.</param>
    public LoraEmbedding(LoraOptions options, EmbeddingTable inner, ParameterFactory parameters, long? paddingIndex = null)
        : base(nameof(LoraEmbedding))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(parameters);
        this.inner = inner;
        padding = paddingIndex;
        scale = options.Alpha / (options.IsRankStabilized ? Math.Sqrt(options.Rank) : options.Rank);
        var table = inner.get_parameter("weight")!;
        table.requires_grad_(false);
        A = parameters.Constant(0, options.Rank, inner.Count);
        B = parameters.Normal(1, table.size(1), options.Rank);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName)
    {
        ArgumentNullException.ThrowIfNull(parameterName);
        return parameterName.StartsWith("lora_", StringComparison.Ordinal) ? new ParameterHint(Decays: false) : null;
    }

    /// <summary>The table with the update (V, D); the caller disposes it.</summary>
    public Tensor ToDense()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        return (inner.get_parameter("weight")! + mm(B, A).t() * scale).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor indices)
    {
        new TensorCheck(nameof(LoraEmbedding)).Integers(indices, nameof(indices), "...");
        using var scope = NewDisposeScope();
        var y = inner.call(indices); // checks the indices
        var flat = indices.reshape(-1);
        var columns = A.index_select(1, flat).t(); // (N, R)
        if (padding is { } id)
        {
            var isPadding = flat.eq(id).unsqueeze(1);
            columns = where(isPadding, columns.detach(), columns);
        }
        return (y + nn.functional.linear(columns, B).view(y.shape) * scale).MoveToOuterDisposeScope();
    }
}
