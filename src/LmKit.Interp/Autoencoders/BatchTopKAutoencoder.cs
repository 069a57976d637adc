using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The k B largest rectified pre-activations of a batch (Bussmann et al. 2024); a threshold takes over for inference.</summary>
public sealed class BatchTopKAutoencoder : SparseAutoencoder
{
    private readonly BatchTopKOptions options;
    [ComponentName(Name = "topk_threshold")]
    private readonly Tensor threshold;

    /// <summary>Makes it.</summary>
    public BatchTopKAutoencoder(BatchTopKOptions options, ParameterFactory parameters)
        : base(nameof(BatchTopKAutoencoder), options, parameters)
    {
        this.options = options;
        threshold = zeros([], ScalarType.Float64, parameters.Device).DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <summary>The threshold for inference; 0 until the first update.</summary>
    public double Threshold => threshold.item<double>();

    /// <inheritdoc/>
    public override bool CodesAreNormScaled => options.RescalesByDecoderNorm;

    /// <inheritdoc/>
    public override void UpdateThreshold(Tensor codes)
    {
        Shapes.CheckInput(codes, DecoderWeight, FeatureCount, GetName());
        BatchThreshold.Update(threshold, codes, options.ThresholdRate);
    }

    /// <summary>The same dictionary as a JumpReLU one with one threshold for all features, for inference; the caller disposes it.</summary>
    /// <exception cref="InvalidOperationException">There is no threshold yet.</exception>
    public JumpReluAutoencoder ToJumpRelu() => AsJumpRelu(Threshold);

    private protected override FeatureActivations Activate(Tensor centred, Tensor normalized)
    {
        var pre = PreActivations(centred);
        if (options.RescalesByDecoderNorm)
            pre = pre * DecoderNorms();
        var dense = pre.relu();
        var kept = !training && options.UsesThreshold && Threshold is > 0 and var limit
            ? dense.detach().gt(limit)
            : FeatureSelection.LargestOfAll(dense, (long)(options.ActiveCount * dense.size(0)));
        return new(pre, dense, dense * kept);
    }

    private protected override void AddTerms(LossTerms terms, AutoencoderPass pass, Tensor? dead, Tensor? gradients)
    {
        base.AddTerms(terms, pass, dead, gradients);
        foreach (var width in options.NestedWidths)
            terms[$"inner_{width}"] = SquaredError.RowMean(pass.Rows.Undo(DecodeRows(pass.Codes, width)) - pass.Input);
    }

    private protected override void FoldIntoThreshold(double factor)
    {
        if (options.RescalesByDecoderNorm)
            threshold.div_(factor);
    }

    private protected override void FoldNorms(Tensor norms)
    {
        if (!options.RescalesByDecoderNorm)
            throw new InvalidOperationException($"{nameof(BatchTopKAutoencoder)} without {nameof(BatchTopKOptions.RescalesByDecoderNorm)} chooses features by values that folding the decoder's norms would change.");
    }
}
