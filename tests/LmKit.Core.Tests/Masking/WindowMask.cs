using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A causal mask that sees the last few keys and the first few: it forgets, so a cache may drop what it hides.</summary>
internal sealed class WindowMask(long length, long sinks = 0) : IAttentionMask
{
    public bool IsCausal => true;

    public bool Forgets => true;

    public long? DistanceCeiling => null;

    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        using var scope = NewDisposeScope();
        var (i, j) = (queries.unsqueeze(-1), keys.unsqueeze(-2));
        return i.ge(j).logical_and((i - j).lt(length).logical_or(j.lt(sinks))).MoveToOuterDisposeScope();
    }
}

/// <summary>Options of the mask for tests.</summary>
internal sealed class WindowMaskOptions
{
    internal static readonly Kind<WindowMaskOptions, IAttentionMask> Kind = Slots.Mask.Define<WindowMaskOptions>("window", (options, _) => new WindowMask(options.Length, options.Sinks));

    public long Length { get; set; } = 6;

    public long Sinks { get; set; }
}
