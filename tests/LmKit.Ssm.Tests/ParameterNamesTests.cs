using LmKit.Conformance;
using TorchSharp;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class ParameterNamesTests
{
    [Fact]
    public void Names_and_shapes_are_those_of_the_published_layers()
    {
        using var model = ToyModel.Builder(2, modelDim: 16).AddH3(h3 => { h3.HeadDim = 2; h3.StateDim = 8; }).AddAttention(layers: [1]).Build();
        var lines = model.state_dict().Select(entry => $"{entry.Key} ({string.Join(", ", entry.Value.shape)})").Order(StringComparer.Ordinal);

        Assert.Equal(File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "ParameterNames.approved.txt")), lines);
    }
}
