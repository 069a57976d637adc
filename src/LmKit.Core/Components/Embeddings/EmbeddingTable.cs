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

    /// <summary>Makes a model's table of <paramref name="count"/> vectors, drawn as its <see cref="LanguageModelOptions.Initializer"/> says.</summary>
    internal EmbeddingTable(long count, LayerContext layer)
        : base(nameof(EmbeddingTable))
    {
        Count = count;
        weight = layer.Options.Initializer.Weight(layer.Parameters, layer.InitializerRange, count, layer.ModelDim); // (V, D)
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

/// <summary>A learned vector per absolute position, added to the embedding (GPT-2).</summary>
internal sealed class LearnedPositions : nn.Module<Tensor, Tensor>, IPositionTable
{
    [ComponentName(Name = "position_embeddings")]
    private readonly EmbeddingTable table;

    /// <summary>Makes a table for positions 0 to <paramref name="count"/> - 1.</summary>
    internal LearnedPositions(long count, LayerContext layer)
        : base(nameof(LearnedPositions))
    {
        table = new EmbeddingTable(count, layer);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long? Count => table.Count;

    /// <summary>The vectors of positions (B, L), as (B, L, D).</summary>
    /// <exception cref="ArgumentException">A position lies beyond the table.</exception>
    public override Tensor forward(Tensor positions)
    {
        new TensorCheck(nameof(LearnedPositions)).Integers(positions, nameof(positions), "...");
        using var last = positions.numel() > 0 ? positions.max() : zeros(1);
        var highest = last.ToInt64();
        return highest < table.Count
            ? table.call(positions)
            : throw new ArgumentException($"Position {highest} lies beyond the learned table of {table.Count}; shorten the text or raise max_position_embeddings.", nameof(positions));
    }
}
