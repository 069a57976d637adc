using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

internal static class Awake
{
    /// <summary>Gives adapters values as if they had been trained.</summary>
    internal static void Up(nn.Module module)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(9);
        foreach (var (name, parameter) in module.named_parameters())
        {
            if (name.Split('.')[^1] is "lora_B" or "lora_bias")
                parameter.copy_(randn(parameter.shape, ScalarType.Float64, generator: random).mul_(0.5));
        }
    }
}
