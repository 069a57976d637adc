using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The trained vectors B and C of a shift state space.</summary>
internal sealed class ShiftParameters : nn.Module, IParameterHints
{
    [ComponentName(Name = "B")]
    private readonly Parameter input;   // (D, N)
    [ComponentName(Name = "C")]
    private readonly Parameter readout; // (1, D, N)

    internal ShiftParameters(long channelCount, long stateDim, ParameterFactory factory)
        : base(nameof(ShiftParameters))
    {
        var bound = 1 / Math.Sqrt(stateDim);
        input = factory.From(_ => nn.functional.pad(ones(channelCount, 1), [0, stateDim - 1]), channelCount, stateDim);
        readout = factory.Uniform(-bound, bound, 1, channelCount, stateDim);
        RegisterComponents();
    }

    internal Tensor Input => input;

    internal Tensor Readout => readout;

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) =>
        parameterName == "B" ? new ParameterHint(MaxLearningRate: 1e-3, Decays: false) : null;
}
