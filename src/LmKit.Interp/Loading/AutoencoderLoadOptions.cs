namespace LmKit;

/// <summary>What a published file does not say, or what should be read in another way.</summary>
public sealed class AutoencoderLoadOptions
{
    /// <summary>Features kept in a row, for a TopK file that does not say it (OpenAI's).</summary>
    public long? ActiveCount { get; set; }

    /// <summary>Whether a TopK file of dictionary_learning is coded by its threshold. Default false.</summary>
    public bool UsesThreshold { get; set; }

    /// <summary>What activations were multiplied by before training, sqrt(d) over their mean norm, where a SAELens file says
    /// <c>expected_average_only_in</c> and holds no scale; it is folded into the weights. 1 for weights that it is folded into already.</summary>
    public double? InputScale { get; set; }

    /// <summary>Dtype of the parameters. Default float32.</summary>
    public TorchSharp.torch.ScalarType Dtype { get; set; } = TorchSharp.torch.ScalarType.Float32;

    /// <summary>Where they live; the CPU by default.</summary>
    public TorchSharp.torch.Device? Device { get; set; }
}
