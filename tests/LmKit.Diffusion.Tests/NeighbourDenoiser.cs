using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>Two tokens and a mask; each place says what its neighbours say, the surer the more of them are seen, and surer still at low levels.</summary>
internal sealed class NeighbourDenoiser(bool isTimeConditioned, LevelScale scale) : IDenoiser
{
    internal const long Mask = 2;

    public long VocabSize => 3;

    public long MaskId => Mask;

    public bool IsTimeConditioned => isTimeConditioned;

    public LevelScale Scale => scale;

    public Tensor call(Tensor tokens, Tensor level)
    {
        using var scope = NewDisposeScope();
        var votes = (tokens.eq(1).to(ScalarType.Float64) - tokens.eq(0).to(ScalarType.Float64)) * 1.5; // (B, L)
        var heard = votes.roll(1, 1) + votes.roll(-1, 1);
        if (isTimeConditioned)
            heard = heard / (level.clamp(max: 4).view(-1, 1) + 0.25);
        var logits = stack([heard.neg() / 2, heard / 2, zeros_like(heard)], -1);
        return SubsParameterization.Apply(logits, tokens, Mask).MoveToOuterDisposeScope();
    }

    /// <summary>-ln p of a token at a masked place of a grid.</summary>
    internal double Loss(long[] grid, int place, long token)
    {
        using var scope = NewDisposeScope();
        return -call(tensor(grid, [1, grid.Length]), zeros(1, ScalarType.Float64))[0, place, token].item<double>();
    }
}
