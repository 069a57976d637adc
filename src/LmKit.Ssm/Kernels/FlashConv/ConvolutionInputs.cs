using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a fused convolution reads: y = g_out . (K * x + D x) with x = g_in . u; where D or a gate is null, it is left out.</summary>
/// <param name="Sequences">u, (B, H, P, L), or (B, L, H) channels last.</param>
/// <param name="Kernel">K (H, K).</param>
/// <param name="Skip">D (H), or null.</param>
/// <param name="InputGate">g_in like u, or null.</param>
/// <param name="OutputGate">g_out like u, or null.</param>
internal sealed record ConvolutionInputs(Tensor Sequences, Tensor Kernel, Tensor? Skip, Tensor? InputGate, Tensor? OutputGate)
{
    /// <summary>Those that are there, in a fixed order.</summary>
    internal IReadOnlyList<Tensor> Present => [Sequences, Kernel, .. Given(Skip), .. Given(InputGate), .. Given(OutputGate)];

    /// <summary>The same from what <see cref="Present"/> has become.</summary>
    internal ConvolutionInputs From(IReadOnlyList<Tensor> present)
    {
        var next = 2;
        return new(present[0], present[1], Skip is null ? null : present[next++], InputGate is null ? null : present[next++], OutputGate is null ? null : present[next]);
    }

    /// <summary>The same with dense memory, in the layout that it has.</summary>
    internal ConvolutionInputs Contiguous() =>
        new(Sequences.contiguous(), Kernel.contiguous(), Skip?.contiguous(), InputGate?.contiguous(), OutputGate?.contiguous());

    /// <summary>(B, H, 1, L) as (B, L, H), views.</summary>
    internal ConvolutionInputs ChannelsLast() =>
        new(LastOf(Sequences), Kernel, Skip, InputGate is null ? null : LastOf(InputGate), OutputGate is null ? null : LastOf(OutputGate));

    private static Tensor LastOf(Tensor sequences) => sequences.squeeze(2).transpose(1, 2);

    private static IEnumerable<Tensor> Given(Tensor? tensor) => tensor is null ? [] : [tensor];
}

/// <summary>The memory of one fused convolution or of its backward pass; what is null is not there or not asked for.</summary>
internal readonly unsafe struct ConvolutionWork
{
    internal SequenceGrid Grid { get; init; }

    /// <summary>Taps of a kernel.</summary>
    internal long Taps { get; init; }

    internal float* Source { get; init; }

    internal float* Kernel { get; init; }

    internal float* Skip { get; init; }

    internal float* InputGate { get; init; }

    internal float* OutputGate { get; init; }

    /// <summary>The result of a forward pass.</summary>
    internal float* Target { get; init; }

    /// <summary>The gradient of the result, in a backward pass.</summary>
    internal float* Upstream { get; init; }

    internal float* SourceGradient { get; init; }

    internal float* KernelGradient { get; init; }

    internal float* SkipGradient { get; init; }

    internal float* InputGateGradient { get; init; }

    internal float* OutputGateGradient { get; init; }

    internal bool NeedsProduct => SourceGradient is not null || InputGateGradient is not null;

    internal bool NeedsKernel => KernelGradient is not null || SkipGradient is not null;
}

/// <summary>Where the sequences of a fused convolution lie in memory.</summary>
/// <remarks>(B, H, P, L): a channel's sequences are dense. (B, L, H): neighbouring channels lie side by side and are taken a vector at a time.</remarks>
internal readonly struct SequenceGrid
{
    private readonly long pairs;

    internal SequenceGrid(Tensor sequences)
    {
        IsChannelsLast = sequences.dim() == 3;
        pairs = IsChannelsLast ? 1 : sequences.size(2);
        Rows = sequences.size(0) * pairs;
        Channels = sequences.size(IsChannelsLast ? 2 : 1);
        Length = sequences.size(IsChannelsLast ? 1 : 3);
    }

    /// <summary>Whether samples of one channel are <see cref="Channels"/> apart.</summary>
    internal bool IsChannelsLast { get; }

    /// <summary>H.</summary>
    internal long Channels { get; }

    /// <summary>Sequences of a channel, B P.</summary>
    internal long Rows { get; }

    /// <summary>L.</summary>
    internal long Length { get; }

    /// <summary>From a sample to the next.</summary>
    internal long Step => IsChannelsLast ? Channels : 1;

    /// <summary>Where a sample of a channel's sequence lies.</summary>
    internal long Offset(long row, long channel, long sample)
    {
        if (IsChannelsLast)
            return (row * Length + sample) * Channels + channel;
        var (batch, pair) = Math.DivRem(row, pairs);
        return ((batch * Channels + channel) * pairs + pair) * Length + sample;
    }
}
