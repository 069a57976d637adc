using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

internal static class Awake
{
    /// <summary>Gives adapters values as if they had been trained.</summary>
    internal static void Up(nn.Module module, ulong seed = 9)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(seed);
        foreach (var (name, parameter) in module.named_parameters())
        {
            if (name.Split('.')[^1] is "lora_B" or "lora_bias")
                parameter.copy_(randn(parameter.shape, ScalarType.Float64, generator: random).mul_(0.5));
            else if (name.EndsWith("lora_magnitude_vector", StringComparison.Ordinal))
                parameter.mul_(rand(parameter.shape, ScalarType.Float64, generator: random).add_(0.5));
        }
    }
}
