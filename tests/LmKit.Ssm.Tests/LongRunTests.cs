using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class LongRunTests
{
    private const double MemoryGrowth = 0.05;

    // After them everything that is made once is there.
    private const int WarmUp = 20;

    [Fact]
    public void Two_hundred_training_steps_of_a_hybrid_leave_no_tensor_and_no_managed_memory_behind()
    {
        using var model = Hybrid();
        using var optimizer = optim.AdamW(model.parameters(), 1e-3);
        using var tokens = zeros(2, 12, dtype: ScalarType.Int64);
        CheckLongRun("200 training steps", 200, () =>
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            NextTokenLoss.Of(model, tokens).Sum.backward();
            optimizer.step();
        });
    }

    [Fact]
    public void Two_thousand_decoded_tokens_leave_no_tensor_and_no_managed_memory_behind_and_the_state_as_small()
    {
        using var outer = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(4, ScalarType.Float32)
            .AddH3(h3 => h3.StateDim = 8).AddS4D(s4d => s4d.StateDim = 8, layers: [1]).AddSelectiveScan(layers: [2]).AddLongConv(conv => conv.KernelLength = 16, layers: [3])
            .Build();
        using var state = model.NewState(1);
        var token = zeros(1, 1, dtype: ScalarType.Int64);
        var bytes = state.Tensors.Values.Sum(tensor => tensor.numel());
        CheckLongRun("2000 decoded tokens", 2000, () => model.call(token, new SequenceContext(state)).Dispose());

        Assert.Equal(bytes, state.Tensors.Values.Sum(tensor => tensor.numel()));
        Assert.Equal(2000 + WarmUp, state.Position);
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

    private static void CheckLongRun(string what, int count, Action step)
    {
        for (var index = 0; index < WarmUp; index++)
            step();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        LiveTensors.Unchanged(what, () =>
        {
            for (var index = 0; index < count; index++)
                step();
        });
        var after = GC.GetTotalMemory(forceFullCollection: true);
        Assert.True(after <= before * (1 + MemoryGrowth), $"{what} took managed memory from {before} to {after} bytes.");
    }

    private static LanguageModel Hybrid() => ToyModel.Builder(3, ScalarType.Float32)
        .AddH3(h3 => (h3.StateDim, h3.ChunkLength) = (8, 5))
        .AddAttention(layers: [1])
        .AddS4D(s4d => s4d.StateDim = 8, layers: [2])
        .Build();
}
