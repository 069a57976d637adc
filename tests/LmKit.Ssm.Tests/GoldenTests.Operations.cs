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
            foreach (var name in golden.Groups('.').Where(name => name[0] == 'm'))
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
            var small = new MonarchFft(8, 8);
            var kernel = golden.Tensor("conv.k").to(dtype);
            CheckValue("k_f_permuted", golden.Complex("conv.k_f_permuted"), small.Transform(nn.functional.pad(kernel, [0, 32])), tolerance);
            CheckValue("conv", golden.Tensor("conv.y"), small.Convolve(golden.Tensor("conv.x").to(dtype), kernel), tolerance);
        }
    }

    private static void Scan(GoldenCase golden)
    {
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            string[] names = ["u", "delta", "A", "B", "C", "D", "z", "delta_bias"];
            var leaves = names.ToDictionary(name => name, name => golden.Tensor($"scan.{name}").to(dtype).detach().requires_grad_(true));
            var (y, state) = SelectiveScan.Run(
                leaves["u"], leaves["delta"], leaves["A"], leaves["B"], leaves["C"], leaves["D"], leaves["z"], leaves["delta_bias"]);
            CheckValue("scan y", golden.Tensor("scan.y"), y, ToleranceOf(dtype));
            CheckValue("scan last_state", golden.Tensor("scan.last_state"), state, ToleranceOf(dtype));
            CheckGradients(golden, "scan.", names, leaves, y);
            ScanBlock(golden, dtype);
        }
    }

    private static void ScanBlock(GoldenCase golden, ScalarType dtype)
    {
        using var frozen = no_grad();
        var weights = golden.Names("block.w.").ToDictionary(name => name["block.w.".Length..], golden.Tensor);
        var options = new SelectiveScanOptions { StateDim = weights["A_log"].size(1), TimeStepRank = weights["dt_proj.weight"].size(1) };
        using var mixer = ToyModel.Component(ToyModel.Builder(dtype: dtype, modelDim: weights["out_proj.weight"].size(0)), layer => new SelectiveScanMixer(options, layer));
        CheckpointLoader.Load(mixer, weights, allowCast: true);
        var u = golden.Tensor("block.u").to(dtype);
        var prompt = long.Parse(golden.Metadata["prompt"], System.Globalization.CultureInfo.InvariantCulture);
        CheckValue("block y", golden.Tensor("block.y"), mixer.call(u, null), ToleranceOf(dtype));
        using var state = mixer.NewState(u.size(0));
        var first = mixer.call(u.narrow(1, 0, prompt), new SequenceContext(state));
        CheckValue("prefill_conv_state", golden.Tensor("block.prefill_conv_state"), state.Tensors["conv_state"], ToleranceOf(dtype));
        CheckValue("prefill_ssm_state", golden.Tensor("block.prefill_ssm_state"), state.Tensors["ssm_state"], ToleranceOf(dtype));
        var rest = mixer.call(u.narrow(1, prompt, u.size(1) - prompt), new SequenceContext(state));
        CheckValue("continued y", golden.Tensor("block.y"), cat([first, rest], 1), ToleranceOf(dtype));
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
        var gradients = autograd.grad([y], [.. inputs.Select(input => leaves[input])], [golden.Tensor($"{prefix}gy").to(y.dtype)]);
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
