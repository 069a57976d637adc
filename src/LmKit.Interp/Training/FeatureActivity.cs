using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How long each feature has been silent, counted in batches or in rows.</summary>
public sealed class FeatureActivity : IDisposable
{
    /// <summary>Makes it with every feature just active.</summary>
    public FeatureActivity(long featureCount, Device? device = null)
    {
        Shapes.CheckSize([featureCount], nameof(featureCount));
        Silence = zeros([featureCount], ScalarType.Int64, device).DetachFromDisposeScope();
    }

    /// <summary>Silence (F) int64 since the last positive code; owned by this object, and may be restored by copying into it.</summary>
    public Tensor Silence { get; }

    /// <summary>Counts a batch of codes (B, F).</summary>
    /// <param name="codes">Its codes.</param>
    /// <param name="amount">What silence grows by: 1 for batches, B for rows.</param>
    public void Update(Tensor codes, long amount = 1)
    {
        var check = new TensorCheck(nameof(FeatureActivity));
        check.Bind("F", Silence.size(0));
        check.AnyFloating(codes, nameof(codes), "B F");
        if (codes.device_type != Silence.device_type)
            throw new ArgumentException($"{nameof(FeatureActivity)} lies on {Silence.device}; got codes on {codes.device}.", nameof(codes));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        Silence.add_(amount);
        Silence.masked_fill_(codes.gt(0).any(0), 0);
    }

    /// <summary>Counts a batch by what it <paramref name="fired"/> (F, bool).</summary>
    internal void Count(Tensor fired)
    {
        using var frozen = no_grad();
        Silence.add_(1);
        Silence.masked_fill_(fired, 0);
    }

    /// <summary>Which features (F, bool) have been silent for at least a horizon; the caller disposes it.</summary>
    public Tensor Dead(long horizon) => Silence.ge(horizon);

    /// <inheritdoc/>
    public void Dispose() => Silence.Dispose();
}
