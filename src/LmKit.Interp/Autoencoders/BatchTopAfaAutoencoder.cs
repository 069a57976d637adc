using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One threshold for a whole batch, chosen so that the squared norms of all codes together come nearest to those of the inputs.</summary>
/// <remarks>With s_j = (a_j n_j)^2, the kept entries are those with s_j at least tau, where the sum of the kept s_j is nearest to the sum of
/// |x - b_dec|^2 over the rows. Codes are a_j n_j, so that one threshold of theirs takes over for inference.</remarks>
[Experimental("LMKIT0001", UrlFormat = "docs/experimental/{0}.md")]
public sealed class BatchTopAfaAutoencoder : SparseAutoencoder
{
    private readonly BatchTopAfaOptions options;
    [ComponentName(Name = "topk_threshold")]
    private readonly Tensor threshold;

    /// <summary>Makes it.</summary>
    public BatchTopAfaAutoencoder(BatchTopAfaOptions options, ParameterFactory parameters)
        : base(nameof(BatchTopAfaAutoencoder), options, parameters)
    {
        this.options = options;
        threshold = zeros([], ScalarType.Float64, parameters.Device).DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <summary>The threshold for inference; 0 until the first update.</summary>
    public double Threshold => threshold.item<double>();

    /// <inheritdoc/>
    public override bool CodesAreNormScaled => true;

    /// <summary>The same dictionary as a JumpReLU one with one threshold for all features, for inference; the caller disposes it.</summary>
    /// <exception cref="InvalidOperationException">There is no threshold yet.</exception>
    public JumpReluAutoencoder ToJumpRelu() => AsJumpRelu(Threshold);

    /// <inheritdoc/>
    public override void UpdateThreshold(Tensor codes)
    {
        Shapes.CheckInput(codes, DecoderWeight, FeatureCount, GetName());
        BatchThreshold.Update(threshold, codes, options.ThresholdRate);
    }

    private protected override FeatureActivations Activate(Tensor centred, Tensor normalized)
    {
        var pre = PreActivations(centred) * DecoderNorms();
        var dense = pre.relu();
        var kept = !training && options.UsesThreshold && Threshold is > 0 and var limit
            ? dense.detach().gt(limit)
            : Nearest(dense.detach(), centred.detach());
        return new(pre, dense, dense * kept);
    }

    private protected override void FoldIntoThreshold(double factor) => threshold.div_(factor);

    private static Tensor Nearest(Tensor dense, Tensor centred)
    {
        using var frozen = no_grad();
        var (sorted, _) = dense.to(ScalarType.Float64).square().reshape(-1).sort(0, descending: true, stable: true);
        if (sorted.numel() == 0)
            return zeros_like(dense, ScalarType.Bool);
        var target = centred.to(ScalarType.Float64).square().sum();
        var best = (sorted.cumsum(0) - target).abs().argmin();
        return dense.gt(0).logical_and(dense.to(ScalarType.Float64).square().ge(sorted.gather(0, best.unsqueeze(0))));
    }
}

/// <summary>Options of the batch form of top-AFA.</summary>
[Experimental("LMKIT0001", UrlFormat = "docs/experimental/{0}.md")]
public sealed class BatchTopAfaOptions : SparseAutoencoderOptions
{
    /// <summary>Share of a new batch in the threshold for inference. Default 0.01.</summary>
    [Range(0.0, 1.0)]
    public double ThresholdRate { get; set; } = 0.01;

    /// <summary>Whether rows outside training are coded by the threshold, once there is one. Default true.</summary>
    public bool UsesThreshold { get; set; } = true;
}
