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

    public static TheoryData<string, ScalarType, double> Mixers
    {
        get
        {
            var data = new TheoryData<string, ScalarType, double>();
            foreach (var mixer in new[] { "h3", "h3 heads", "s4d", "scan", "long", "shift" })
            {
                data.Add(mixer, ScalarType.BFloat16, 1);
                data.Add(mixer, ScalarType.BFloat16, 30);
                data.Add(mixer, ScalarType.Float16, 1);
                data.Add(mixer, ScalarType.Float16, 3); // cubes of 30 leave float16's range, in the output as in exact arithmetic
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Mixers))]
    public void Every_mixer_stays_near_float64_on_the_same_weights_whole_and_streamed(string mixer, ScalarType dtype, double size)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var half = (nn.Module<Tensor, SequenceContext?, Tensor>)Make(mixer, dtype);
        using var exact = (nn.Module<Tensor, SequenceContext?, Tensor>)Make(mixer, ScalarType.Float64);
        var wide = exact.state_dict();
        foreach (var (name, value) in half.state_dict())
            wide[name].copy_(value);
        using var random = new Generator(7);
        var x = (randn([2, 150, ToyModel.ModelDim], ScalarType.Float64, generator: random) * size).to(dtype);

        var expected = exact.call(x.to(ScalarType.Float64), null);
        var allowed = dtype == ScalarType.BFloat16 ? 2e-2 : 5e-3;
        Close.Check("whole", expected, half.call(x, null), relativeToLargest: allowed);
        using var state = ((IMixer)half).NewState(2);
        var parts = new[] { (0L, 100L), (100, 1), (101, 1), (102, 48) }.Select(part => half.call(x.narrow(1, part.Item1, part.Item2), new SequenceContext(state))).ToArray();
        Close.Check("streamed", expected, cat(parts, 1), relativeToLargest: allowed);
    }

    private static IMixer Make(string mixer, ScalarType dtype)
    {
        var builder = ToyModel.Builder(1, dtype);
        return mixer switch
        {
            "h3" => ToyModel.Component(builder, layer => new H3Mixer(new H3Options { StateDim = 8 }, layer)),
            "h3 heads" => ToyModel.Component(builder, layer => new H3Mixer(new H3Options { StateDim = 8, HeadDim = 2 }, layer)),
            "s4d" => ToyModel.Component(builder, layer => new S4DMixer(new S4DOptions { StateDim = 8 }, layer)),
            "scan" => ToyModel.Component(builder, layer => new SelectiveScanMixer(new SelectiveScanOptions(), layer)),
            "long" => ToyModel.Component(builder, layer => new LongConvMixer(new LongConvOptions { KernelLength = 150 }, layer)),
            _ => ToyModel.Component(builder, layer => new ShiftMixer(new ShiftOptions { StateDim = 4 }, layer)),
        };
    }
}
