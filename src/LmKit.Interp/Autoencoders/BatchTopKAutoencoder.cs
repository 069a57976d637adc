using System.ComponentModel.DataAnnotations;
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

/// <summary>Options of the BatchTopK autoencoder; with nested widths it is the Matryoshka one.</summary>
public sealed class BatchTopKOptions : SparseAutoencoderOptions
{
    /// <summary>Features kept in a row on average (k), a fraction allowed. Default 32.</summary>
    [Range(double.Epsilon, double.MaxValue)]
    public double ActiveCount { get; set; } = 32;

    /// <summary>Whether features are chosen by, and codes returned as, pre-activation times atom norm (SAELens). Default false.</summary>
    public bool RescalesByDecoderNorm { get; set; }

    /// <summary>Share of a new batch in the threshold for inference. Default 0.01 (SAELens).</summary>
    [Range(0.0, 1.0)]
    public double ThresholdRate { get; set; } = 0.01;

    /// <summary>Whether rows outside training are coded by the threshold, once there is one. Default true: a row's codes then do not
    /// depend on the rows beside it.</summary>
    public bool UsesThreshold { get; set; } = true;

    /// <summary>Nested widths, ascending, each below F, whose features must reconstruct alone (Matryoshka). Default none.</summary>
    public IReadOnlyList<long> NestedWidths { get; set; } = [];

    internal override void Check()
    {
        base.Check();
        if (NestedWidths.Any(width => width < 1 || width >= FeatureCount))
            throw new ArgumentException($"{nameof(BatchTopKOptions)}.{nameof(NestedWidths)} = [{string.Join(", ", NestedWidths)}] must lie between 1 and {FeatureCount - 1}.");
    }
}

/// <summary>The running threshold of autoencoders that choose over a batch.</summary>
internal static class BatchThreshold
{
    /// <summary>Moves it towards the smallest positive code of a training batch.</summary>
    internal static void Update(Tensor threshold, Tensor codes, double rate)
    {
        ArgumentNullException.ThrowIfNull(codes);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var positive = codes.masked_select(codes.gt(0)).to(ScalarType.Float64);
        if (positive.numel() > 0)
            threshold.mul_(1 - rate).add_(positive.min() * rate);
    }
}
