using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>One line of a hybrid's builder takes another mixer or other linears, and the model still learns.</summary>
[NoTensorLeak]
public class OneLineSwapTests
{
    private const int StepCount = 20;

    public static TheoryData<string> Lines => ["none", "monarch linears", "s4d", "shift", "selective scan", "long convolution", "lambda mask"];

    [Theory]
    [MemberData(nameof(Lines))]
    public void Twenty_steps_lower_the_loss_whatever_one_line_puts_in(string line)
    {
        using var scope = NewDisposeScope();
        var builder = ToyModel.Builder(3, ScalarType.Float32)
            .AddH3(h3 => h3.StateDim = 8)
            .AddAttention(layers: [1]);
        builder = line switch
        {
            "monarch linears" => builder.AddMonarchLinear(monarch => monarch.BlockCount = 2),
            "s4d" => builder.AddS4D(s4d => s4d.StateDim = 8, layers: [0, 2]),
            "shift" => builder.AddShift(shift => shift.StateDim = 8, layers: [0, 2]),
            "selective scan" => builder.AddSelectiveScan(layers: [0, 2]),
            "long convolution" => builder.AddLongConv(conv => conv.KernelLength = 16, layers: [0, 2]),
            "lambda mask" => builder.AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (2, 8)),
            _ => builder,
        };
        using var model = builder.Build();
        using var optimizer = optim.AdamW(model.parameters(), 1e-2);
        var tokens = (arange(3 * 24, dtype: ScalarType.Int64).view(3, 24) * 7).remainder(ToyModel.VocabSize);
        var losses = new List<double>();
        for (var step = 0; step < StepCount; step++)
        {
            using var inner = NewDisposeScope();
            optimizer.zero_grad();
            var loss = NextTokenLoss.Of(model, tokens).Sum / 69.0;
            loss.backward();
            optimizer.step();
            losses.Add(loss.to(ScalarType.Float64).item<double>());
        }

        Assert.True(losses[^1] < losses[0] - 0.3, $"{line}: {losses[0]} to {losses[^1]}.");
    }
}
