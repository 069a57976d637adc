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
