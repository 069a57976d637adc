using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

internal static class Sites
{
    internal static LinearSite Make(long inFeatures, long outFeatures, bool hasBias = true, ScalarType dtype = ScalarType.Float64, string path = "layers.0.mlp.fc1") =>
        new(path, 0, inFeatures, outFeatures, hasBias, 0.3, new ParameterFactory(new Generator(1), dtype));

    /// <summary>A dense linear that holds a given weight and bias.</summary>
    internal static DenseLinear Dense(Tensor weight, Tensor? bias, string path = "layers.0.mlp.fc1")
    {
        var linear = new DenseLinear(Make(weight.size(1), weight.size(0), bias is not null, weight.dtype, path));
        Fill(linear, "weight", weight);
        if (bias is not null)
            Fill(linear, "bias", bias);
        return linear;
    }

    internal static void Fill(nn.Module module, string name, Tensor values)
    {
        using var frozen = no_grad();
        var parameter = module.get_parameter(name)!;
        Assert.Equal(values.shape, parameter.shape);
        parameter.copy_(values);
    }
}
