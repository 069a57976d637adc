using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>A denoiser whose logits are given, whatever the tokens: (B, L, V), or (L, V) for any batch.</summary>
internal class TableDenoiser(Tensor logits, long maskId) : IDenoiser
{
    protected Tensor Logits { get; } = logits;

    internal int CallCount { get; private set; }

    public long VocabSize => Logits.size(-1);

    public long MaskId => maskId;

    public bool IsTimeConditioned { get; init; }

    public Tensor call(Tensor tokens, Tensor level)
    {
        CallCount++;
        using var table = Table(tokens);
        return SubsParameterization.Apply(table, tokens, maskId);
    }

    protected Tensor Table(Tensor tokens) =>
        Logits.dim() == 3 ? Logits.narrow(1, 0, tokens.size(1)) : Logits.narrow(0, 0, tokens.size(1)).unsqueeze(0).expand(tokens.size(0), -1, -1);
}
