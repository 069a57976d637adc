using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>A time-conditioned denoiser that writes down which levels it is told, and answers by a table.</summary>
internal sealed class ToldDenoiser(Tensor logits, long maskId, LevelScale scale) : IDenoiser
{
    internal List<double> Told { get; } = [];

    public long VocabSize => logits.size(-1);

    public long MaskId => maskId;

    public bool IsTimeConditioned => true;

    public LevelScale Scale => scale;

    public Tensor call(Tensor tokens, Tensor level)
    {
        using var scope = NewDisposeScope();
        Told.AddRange(level.to(ScalarType.Float64).data<double>().ToArray());
        var table = logits.narrow(0, 0, tokens.size(1)).unsqueeze(0).expand(tokens.size(0), -1, -1);
        return SubsParameterization.Apply(table, tokens, maskId).MoveToOuterDisposeScope();
    }
}
