using static TorchSharp.torch;

namespace LmKit;

public static partial class FlashConv
{
    private static Tensor Reference(ConvolutionInputs inputs)
    {
        var x = inputs.InputGate is null ? inputs.Sequences : inputs.Sequences * inputs.InputGate;
        var y = x.size(3) <= DirectConvolution.LongestServed ? DirectConvolution.Apply(x, inputs.Kernel) : FftConvolution.Apply(x, inputs.Kernel);
        if (inputs.Skip is not null)
            y = y + inputs.Skip.view(1, -1, 1, 1) * x;
        return inputs.OutputGate is null ? y : y * inputs.OutputGate;
    }
}
