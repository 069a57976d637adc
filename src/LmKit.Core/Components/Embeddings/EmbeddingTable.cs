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
        CheckIndices(indices);
        using var scope = NewDisposeScope();
        long[] shape = [.. indices.shape, weight.size(1)];
        return weight.index_select(0, indices.reshape(-1)).view(shape).MoveToOuterDisposeScope();
    }

    // On an accelerator reading the indices would stall the stream; the native lookup reports there.
    private void CheckIndices(Tensor indices)
    {
        new TensorCheck(GetName()).Integers(indices, nameof(indices), "...");
        ObjectDisposedException.ThrowIf(weight.IsInvalid, this);
        if (indices.device_type != weight.device_type)
            throw new ArgumentException($"{GetName()} lies on {weight.device}; got indices on {indices.device}.", nameof(indices));
        if (indices.device_type != DeviceType.CPU || indices.numel() == 0)
            return;
        using var packed = indices.contiguous();
        foreach (var index in packed.data<long>())
        {
            if (index < 0 || index >= Count)
                throw new ArgumentOutOfRangeException(nameof(indices), index, $"{GetName()} has the indices 0 to {Count - 1}.");
        }
    }
}
