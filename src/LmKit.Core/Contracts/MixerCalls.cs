using static TorchSharp.torch;

namespace LmKit;

/// <summary>The one-argument form of a mixer's call.</summary>
public static class MixerCalls
{
    /// <summary>Mixes whole, unpadded sequences: <c>call(x, null)</c>.</summary>
    /// <param name="mixer">The mixer.</param>
    /// <param name="x">(B, L, D).</param>
    public static Tensor call(this IMixer mixer, Tensor x)
    {
        ArgumentNullException.ThrowIfNull(mixer);
        return mixer.call(x, null);
    }
}
