using static TorchSharp.torch;

namespace LmKit;

/// <summary>The noise of one batch, one entry a row, in float64.</summary>
/// <param name="Time">Time t (B).</param>
/// <param name="Level">What the network is conditioned on (B): sigma(t), or t under the change of variables.</param>
/// <param name="MaskedShare">Probability (B) that a token is masked.</param>
/// <param name="Weight">Factor (B) of the loss -log p(x_0).</param>
public sealed record NoiseLevels(Tensor Time, Tensor Level, Tensor MaskedShare, Tensor Weight) : IDisposable
{
    /// <summary>The scale of <see cref="Level"/>; a network with time conditioning must have been made for it.</summary>
    public LevelScale Scale { get; init; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var part in new[] { Time, Level, MaskedShare, Weight })
            part.Dispose();
    }
}
