using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>A hybrid whose linears, norms and embedding are bfloat16 computes its state spaces in float32.</summary>
[NoTensorLeak]
public class HalfPrecisionTests
{
    private static readonly string[] StateSpaces = ["ssm_k_kernel", "ssm_k_D", "kernel.kernel", "mixer.D", "A_log", "conv1d", "dt_proj"];

    [Fact]
    public void Parameters_kernels_and_states_of_the_state_spaces_stay_in_single_precision()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(4, ScalarType.BFloat16)
            .AddH3(h3 => h3.StateDim = 8).AddAttention(layers: [1]).AddS4D(s4d => s4d.StateDim = 8, layers: [2]).AddSelectiveScan(layers: [3]).Build();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var isStateSpace = StateSpaces.Any(part => name.Contains(part, StringComparison.Ordinal));
            Assert.True(parameter.dtype == (isStateSpace ? ScalarType.Float32 : ScalarType.BFloat16), $"{name} is {parameter.dtype}.");
        }
        foreach (var (name, module) in model.named_modules())
        {
            if (module is DiagonalSsm diagonal)
                Assert.True(diagonal.Kernel(9).dtype == ScalarType.Float32, name);
            if (module is ShiftSsm shift)
                Assert.True(shift.Kernel(9).dtype == ScalarType.Float32, name);
        }
        using var state = model.NewState(1);
        foreach (var length in new[] { 5, 1, 1 })
            Assert.Equal(ScalarType.BFloat16, model.call(ones([1, length], ScalarType.Int64), new SequenceContext(state)).dtype);
        foreach (var (name, value) in state.Tensors.Where(pair => pair.Value.is_floating_point()))
            Assert.True(value.dtype == (name.StartsWith("layers.1.", StringComparison.Ordinal) ? ScalarType.BFloat16 : ScalarType.Float32), $"{name} is {value.dtype}.");
    }
}
