using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One step of Adam with bias correction (Kingma and Ba 2015, Algorithm 1), in place.</summary>
/// <remarks>The CPU form serves float32: it reads and writes each number once instead of once an operation. It equals the reference
/// within the roundings of float32, and gives the same bits whatever the number of threads.</remarks>
/// <param name="Rate">alpha.</param>
/// <param name="Beta1">beta_1.</param>
/// <param name="Beta2">beta_2.</param>
/// <param name="Epsilon">epsilon.</param>
internal sealed partial record AdamStep(double Rate, double Beta1, double Beta2, double Epsilon)
{
    /// <summary>Steps a parameter.</summary>
    /// <param name="parameter">theta, of any shape.</param>
    /// <param name="gradient">g, of its shape and type.</param>
    /// <param name="first">m, changed too.</param>
    /// <param name="second">v, changed too.</param>
    /// <param name="count">t, this step included.</param>
    internal void Take(Tensor parameter, Tensor gradient, Tensor first, Tensor second, long count)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        if (KernelSelection.Current == KernelChoice.Cpu && IsServed(parameter) && IsServed(gradient) && IsServed(first) && IsServed(second))
            Cpu(parameter, gradient, first, second, count);
        else
            Reference(parameter, gradient, first, second, count);
    }

    private static bool IsServed(Tensor tensor) => tensor.dtype == ScalarType.Float32 && tensor.device_type == DeviceType.CPU && tensor.is_contiguous();
}
