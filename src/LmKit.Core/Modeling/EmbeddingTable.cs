using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A table of vectors looked up by index: (...) int64 to (..., D).</summary>
public sealed class EmbeddingTable : nn.Module<Tensor, Tensor>, IParameterHints
{
    private readonly Parameter weight;

    /// <summary>Makes a table W ~ N(0, range^2) of <paramref name="count"/> vectors.</summary>
    public EmbeddingTable(long count, long modelDim, double initializerRange, ParameterFactory parameters)
        : base(nameof(EmbeddingTable))
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Count = count;
        weight = parameters.Normal(initializerRange, count, modelDim); // (V, D)
        RegisterComponents();
    }

    /// <summary>Number of vectors.</summary>
    public long Count { get; }

    internal Parameter Weight => weight;

    /// <inheritdoc/>
    public ParameterHint Hint(string parameterName) => new(IsVector: true);

    /// <inheritdoc/>
    public override Tensor forward(Tensor indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        using var scope = NewDisposeScope();
        long[] shape = [.. indices.shape, weight.size(1)];
        return weight.index_select(0, indices.reshape(-1)).view(shape).MoveToOuterDisposeScope();
    }
}
