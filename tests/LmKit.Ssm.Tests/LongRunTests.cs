using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class LongRunTests
{
    [Fact]
    public void Two_hundred_training_steps_of_a_hybrid_leave_no_tensor_behind()
    {
        using var model = Hybrid();
        using var optimizer = optim.AdamW(model.parameters(), 1e-3);
        using var tokens = zeros(2, 12, dtype: ScalarType.Int64);
        Step();
        LiveTensors.Unchanged("200 training steps", () =>
        {
            for (var step = 0; step < 200; step++)
                Step();
        });

        void Step()
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            NextTokenLoss.Of(model, tokens).Sum.backward();
            optimizer.step();
        }
    }

    [Fact]
    public void Two_thousand_decoded_tokens_leave_no_tensor_behind_and_the_state_as_small()
    {
        using var outer = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(2, ScalarType.Float32).AddH3(h3 => h3.StateDim = 8).Build();
        using var state = model.NewState(1);
        var token = zeros(1, 1, dtype: ScalarType.Int64);
        model.call(token, new SequenceContext(state)).Dispose();
        var bytes = state.Tensors.Values.Sum(tensor => tensor.numel());
        LiveTensors.Unchanged("2000 decoded tokens", () =>
        {
            for (var step = 0; step < 2000; step++)
                model.call(token, new SequenceContext(state)).Dispose();
        });

        Assert.Equal(bytes, state.Tensors.Values.Sum(tensor => tensor.numel()));
        Assert.Equal(2001, state.Position);
    }

    [Fact]
    public void Float32_steps_stay_close_to_the_convolution_after_four_thousand_tokens()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(3);
        using var mixer = ToyH3.Build(new H3Options { StateDim = 16 }, ScalarType.Float32);
        var x = randn([1, 4096, 8], generator: random);
        using var state = mixer.NewState(1);
        var steps = x.split(1, 1).Select(token => mixer.call(token, new SequenceContext(state))).ToList();

        Close.Check("steps", mixer.call(x, null), cat(steps, 1), relativeToLargest: 1e-4);
    }

    private static LanguageModel Hybrid() => ToyModel.Builder(3, ScalarType.Float32)
        .AddH3(h3 => (h3.StateDim, h3.ChunkLength) = (8, 5))
        .AddAttention(layers: [1])
        .AddS4D(s4d => s4d.StateDim = 8, layers: [2])
        .Build();
}
