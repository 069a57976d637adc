using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public partial class GoldenTests
{
    // Zeros behind a sequence change nothing before them, and make it long enough for the transforms in float64 too.
    private static void Convolution(GoldenCase golden)
    {
        foreach (var zeros in new[] { 0, 200 })
        {
            ForEachCase(golden, (name, dtype, get) =>
            {
                string[] inputs = golden.Has($"{name}.k_rev") ? ["u", "k", "D", "k_rev"] : ["u", "k", "D"];
                return (inputs, leaves => LongConvolution.Convolve(
                    nn.functional.pad(leaves["u"], [0, zeros]),
                    leaves["k"],
                    leaves["D"],
                    leaves.GetValueOrDefault("k_rev"),
                    appliesGelu: name.StartsWith("gelu", StringComparison.Ordinal),
                    mask: golden.Has($"{name}.dropout_mask") ? get("dropout_mask") : null).narrow(2, 0, leaves["u"].size(2)));
            });
        }
    }

    private static void MultiHeadConvolution(GoldenCase golden) => ForEachCase(golden, (_, _, _) => (
        ["q", "k", "v", "ssm_kernel", "D"],
        leaves => LongConvolution.MultiHead(leaves["q"], leaves["k"], leaves["v"], leaves["ssm_kernel"], leaves["D"])));

    private static void GatedConvolution(GoldenCase golden) => ForEachCase(golden, (_, _, _) => (
        ["u", "k", "in_gate", "out_gate"],
        leaves => LongConvolution.Gated(leaves["u"], leaves["k"], leaves["in_gate"], leaves["out_gate"])));

    private static void Monarch(GoldenCase golden)
    {
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            var tolerance = ToleranceOf(dtype);
            foreach (var name in golden.Groups('.').Where(name => !name.StartsWith("conv", StringComparison.Ordinal)))
            {
                var sizes = name[1..].Split('x').Select(text => long.Parse(text, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
                var transform = new MonarchFft(sizes[0], sizes[1]);
                var x = golden.Tensor($"{name}.x").to(dtype);
                var first = transform.FirstStage(x);
                CheckValue($"{name} after F1", golden.Complex($"{name}.after_F1"), first, tolerance);
                CheckValue($"{name} after twiddle", golden.Complex($"{name}.after_twiddle"), transform.Twiddle(first), tolerance);
                var z = transform.Transform(x);
                CheckValue($"{name} Z", golden.Complex($"{name}.Z"), z, tolerance);
                CheckValue($"{name} fft", golden.Complex($"{name}.fft"), transform.Natural(z), tolerance);
                CheckValue($"{name} inverse", x, transform.Inverse(z).real, tolerance);
            }
            foreach (var name in golden.Groups('.').Where(name => name.StartsWith("conv", StringComparison.Ordinal)))
            {
                var spectrum = golden.Complex($"{name}.k_f_permuted"); // (N1, N2)
                var transform = new MonarchFft(spectrum.size(-2), spectrum.size(-1));
                var kernel = golden.Tensor($"{name}.k").to(dtype);
                var spare = spectrum.size(-2) * spectrum.size(-1) - kernel.size(-1);
                CheckValue($"{name} k_f_permuted", spectrum, transform.Transform(nn.functional.pad(kernel, [0, spare])), tolerance);
                CheckValue(name, golden.Tensor($"{name}.y"), transform.Convolve(golden.Tensor($"{name}.x").to(dtype), kernel), tolerance);
            }
        }
    }

    private static void Scan(GoldenCase golden)
    {
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            foreach (var name in golden.Groups('.').Where(name => name.StartsWith("scan", StringComparison.Ordinal)))
            {
                string[] names = [.. new[] { "u", "delta", "A", "B", "C", "D", "z", "delta_bias" }.Where(input => golden.Has($"{name}.{input}"))];
                var leaves = names.ToDictionary(input => input, input => golden.Tensor($"{name}.{input}").to(dtype).detach().requires_grad_(true));
                var (y, state) = SelectiveScan.Run(
                    leaves["u"], leaves["delta"], leaves["A"], leaves["B"], leaves["C"], leaves.GetValueOrDefault("D"), leaves.GetValueOrDefault("z"), leaves.GetValueOrDefault("delta_bias"));
                CheckValue($"{name} y", golden.Tensor($"{name}.y"), y, ToleranceOf(dtype));
                CheckValue($"{name} last_state", golden.Tensor($"{name}.last_state"), state, ToleranceOf(dtype));
                CheckGradients(golden, $"{name}.", names, leaves, y);
            }
            foreach (var name in golden.Groups('.').Where(name => name.StartsWith("block", StringComparison.Ordinal)))
                ScanBlock(golden, name, dtype);
        }
    }

    private static void ScanBlock(GoldenCase golden, string name, ScalarType dtype)
    {
        using var frozen = no_grad();
        var weights = golden.Tensors($"{name}.w.");
        var modelDim = weights["out_proj.weight"].size(0);
        var options = new SelectiveScanOptions
        {
            StateDim = weights["A_log"].size(1),
            TimeStepRank = weights["dt_proj.weight"].size(1),
            ConvolutionLength = weights["conv1d.weight"].size(2),
            Expansion = weights["A_log"].size(0) / modelDim,
        };
        using var mixer = ToyModel.Component(ToyModel.Builder(dtype: dtype, modelDim: modelDim), layer => new SelectiveScanMixer(options, layer));
        CheckpointLoader.Load(mixer, weights, allowCast: true);
        var u = golden.Tensor($"{name}.u").to(dtype);
        var prompt = golden.Options.Whole("prompt");
        CheckValue($"{name} y", golden.Tensor($"{name}.y"), mixer.call(u, null), ToleranceOf(dtype));
        using var state = mixer.NewState(u.size(0));
        var first = mixer.call(u.narrow(1, 0, prompt), new SequenceContext(state));
        CheckValue($"{name} prefill_conv_state", golden.Tensor($"{name}.prefill_conv_state"), state.Tensors["conv_state"], ToleranceOf(dtype));
        CheckValue($"{name} prefill_ssm_state", golden.Tensor($"{name}.prefill_ssm_state"), state.Tensors["ssm_state"], ToleranceOf(dtype));
        var rest = mixer.call(u.narrow(1, prompt, u.size(1) - prompt), new SequenceContext(state));
        CheckValue($"{name} continued y", golden.Tensor($"{name}.y"), cat([first, rest], 1), ToleranceOf(dtype));
    }

    // Values and gradients of an operation in every case of a file, in both precisions.
    private static void ForEachCase(GoldenCase golden, Func<string, ScalarType, Func<string, Tensor>, (string[] Inputs, Func<Dictionary<string, Tensor>, Tensor> Operation)> describe)
    {
        foreach (var name in golden.Groups('.'))
        {
            foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
            {
                var (inputs, operation) = describe(name, dtype, part => golden.Tensor($"{name}.{part}").to(dtype));
                var leaves = inputs.ToDictionary(input => input, input => golden.Tensor($"{name}.{input}").to(dtype).detach().requires_grad_(true));
                var y = operation(leaves);
                CheckValue($"{name} y", golden.Tensor($"{name}.y"), y, ToleranceOf(dtype));
                CheckGradients(golden, $"{name}.", inputs, leaves, y);
            }
        }
    }

    private static void CheckGradients(GoldenCase golden, string prefix, string[] inputs, Dictionary<string, Tensor> leaves, Tensor y)
    {
        var isExact = y.dtype == ScalarType.Float64;
        var gradients = Gradients.Of(y, [.. inputs.Select(input => leaves[input])], golden.Tensor($"{prefix}gy").to(y.dtype));
        foreach (var (input, gradient) in inputs.Zip(gradients))
        {
            Close.Check(
                $"{prefix}grad.{input} in {y.dtype}",
                golden.Tensor($"{prefix}grad.{input}"),
                gradient,
                absolute: isExact ? ExactGradient : 0,
                relativeToLargest: isExact ? 0 : SingleGradient);
        }
    }

    private static double ToleranceOf(ScalarType dtype) => dtype == ScalarType.Float64 ? Exact : Single;
}
