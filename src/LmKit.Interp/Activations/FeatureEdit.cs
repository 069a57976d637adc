using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A change of one feature's code.</summary>
/// <param name="Feature">The feature's index.</param>
/// <param name="Factor">What the code is multiplied by.</param>
/// <param name="Offset">What is added then.</param>
public sealed record FeatureEdit(long Feature, double Factor, double Offset)
{
    /// <summary>Sets it to 0.</summary>
    public static FeatureEdit Ablate(long feature) => new(feature, 0, 0);

    /// <summary>Multiplies it.</summary>
    public static FeatureEdit Scale(long feature, double factor) => new(feature, factor, 0);

    /// <summary>Sets it to a value everywhere.</summary>
    public static FeatureEdit Clamp(long feature, double value) => new(feature, 0, value);

    /// <summary>Adds to it everywhere.</summary>
    public static FeatureEdit Steer(long feature, double amount) => new(feature, 1, amount);

    internal void Check(long featureCount)
    {
        if (Feature < 0 || Feature >= featureCount)
            throw new ArgumentException($"There is no feature {Feature}; the dictionary has 0 to {featureCount - 1}.", nameof(featureCount));
    }

    internal Tensor Apply(Tensor codes)
    {
        var own = zeros([codes.size(-1)], ScalarType.Bool, codes.device);
        own[Feature] = true;
        return where(own, codes * Factor + Offset, codes);
    }
}
