using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[GoldenArea("ssm")]
public partial class GoldenTests(ITestOutputHelper output) : GoldenSuite(output)
{
    // The data's README: 1e-10 for values and 1e-9 for gradients made and computed in float64, 2e-5 where float32 takes part,
    // 1e-5 for initial values that were made in float32.
    private const double Exact = 1e-10;
    private const double ExactGradient = 1e-9;
    private const double Single = 2e-5;
    private const double SingleGradient = 2e-4;
    private const double InitialValue = 1e-5;

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>
    {
        ["fftconv"] = Convolution,
        ["fftconv_h3"] = MultiHeadConvolution,
        ["gated_conv"] = GatedConvolution,
        ["h3_layer"] = Layer,
        ["h3_step"] = Step,
        ["hybrid"] = Hybrid,
        ["monarch_fft"] = Monarch,
        ["s4d_init"] = Initialization,
        ["s4d_kernel"] = DiagonalKernel,
        ["s4d_layer"] = S4DLayer,
        ["selective_scan"] = Scan,
        ["shift_kernel"] = Shift,
        ["state_passing"] = Passing,
        ["synthetic_examples"] = Synthetic,
        ["train_steps"] = TrainingSteps,
        ["trained_h3_assoc_recall"] = TrainedRecall,
    };

    protected override IReadOnlyDictionary<string, string> Unnoticed { get; } = new Dictionary<string, string>
    {
        ["s4d_kernel: zoh_forcereal.A_imag"] = "a real state matrix takes no imaginary part, as the data's README says",
    };

    private static void Layer(GoldenCase golden)
    {
        var stored = StoredType(golden);
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            var isExact = stored == ScalarType.Float64 && dtype == ScalarType.Float64;
            var tolerance = isExact ? Exact : Single;
            using var mixer = Build(golden, dtype);
            var u = golden.Tensor("u").to(dtype).requires_grad_(true);
            var y = mixer.call(u, null);
            CheckValue("y", golden.Tensor("y"), y, tolerance);
            CheckKernels(golden, mixer, tolerance);
            if (golden.Has("gy"))
                CheckGradients(golden, mixer, u, y, isExact ? ExactGradient : SingleGradient, isExact);
            if (golden.Names("state").Count > 0)
                CheckState(golden, mixer, u.detach(), tolerance);
            if (golden.Has("y_dh"))
                CheckOtherMerge(golden, u.detach(), tolerance);
        }
    }

    // The published slow path merges heads as (d h): the same layer with the columns of its output projection in that order.
    private static void CheckOtherMerge(GoldenCase golden, Tensor u, double tolerance)
    {
        using var frozen = no_grad();
        using var mixer = Build(golden, u.dtype, (weight, headDim) => weight.unflatten(1, headDim, -1).transpose(1, 2).flatten(1));
        CheckValue("y_dh", golden.Tensor("y_dh"), mixer.call(u, null), tolerance);
    }

    private static void CheckKernels(GoldenCase golden, H3Mixer mixer, double tolerance)
    {
        var children = mixer.named_children().ToDictionary(child => child.name, child => child.module);
        var kernel = golden.Tensor("ssm_kernel");
        CheckValue("ssm_kernel", kernel, ((DiagonalSsm)children["kernel"]).Kernel(kernel.size(1)), tolerance);
        var taps = golden.Tensor("shift_kernel");
        CheckValue("shift_kernel", taps, ((ShiftSsm)children["ssm_k_kernel"]).Kernel(taps.size(1)), tolerance);
    }

    private static void CheckGradients(GoldenCase golden, H3Mixer mixer, Tensor u, Tensor y, double tolerance, bool isExact)
    {
        var leaves = mixer.named_parameters().Select(pair => (pair.name, Value: (Tensor)pair.parameter)).Prepend((name: "u", Value: u)).ToList();
        var gradients = Gradients.Of(y, [.. leaves.Select(leaf => leaf.Value)], golden.Tensor("gy").to(y.dtype));
        foreach (var ((name, _), gradient) in leaves.Zip(gradients))
        {
            Close.Check(
                $"gradient of {name}",
                golden.Tensor($"grad.{name}"),
                gradient,
                absolute: isExact ? tolerance : 0,
                relativeToLargest: isExact ? 0 : tolerance);
        }
    }

    private static void CheckState(GoldenCase golden, H3Mixer mixer, Tensor u, double tolerance)
    {
        using var frozen = no_grad();
        foreach (var chunk in new[] { u.size(1), 1, 5 })
        {
            using var state = (H3State)mixer.NewState(u.size(0));
            foreach (var piece in u.split(chunk, 1))
                _ = mixer.call(piece, new SequenceContext(state));
            CheckValue($"state_k_end in chunks of {chunk}", golden.Tensor("state_k_end"), mixer.PublishedShiftState(state), tolerance);
            CheckValue($"state_end in chunks of {chunk}", golden.Complex("state_end").view_as_real(), state.Tensors["diagonal"], tolerance);
        }
    }

    private static void Step(GoldenCase golden)
    {
        using var frozen = no_grad();
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            var tolerance = dtype == ScalarType.Float64 ? Exact : Single;
            using var mixer = Build(golden, dtype);
            var (prompt, steps) = (golden.Options.Whole("prompt"), golden.Options.Whole("steps"));
            var u = golden.Tensor("u").to(dtype);
            Assert.Equal((u.size(1), steps), (prompt + steps, golden.Tensor("step_y").size(1)));
            CheckValue("y", golden.Tensor("y"), mixer.call(u, null), tolerance);
            using var state = (H3State)mixer.NewState(u.size(0));
            CheckValue("prefill_y", golden.Tensor("prefill_y"), mixer.call(u.narrow(1, 0, prompt), new SequenceContext(state)), tolerance);
            CheckValue("prefill_state_k", golden.Tensor("prefill_state_k"), mixer.PublishedShiftState(state), tolerance);
            CheckValue("prefill_state", golden.Complex("prefill_state").view_as_real(), Diagonal(state), tolerance);
            for (var step = 0L; step < steps; step++)
            {
                var y = mixer.call(u.narrow(1, prompt + step, 1), new SequenceContext(state));
                CheckValue($"step_y {step}", golden.Tensor("step_y").narrow(1, step, 1), y, tolerance);
                CheckValue($"step_state_k {step}", golden.Tensor("step_state_k")[step], mixer.PublishedShiftState(state), tolerance);
                CheckValue($"step_state {step}", golden.Complex("step_state")[step].view_as_real(), Diagonal(state), tolerance);
            }
        }

        // The published state of head width 1 has no pair axes.
        static Tensor Diagonal(H3State state) => state.Tensors["diagonal"].squeeze(1).squeeze(1);
    }

    private static void Initialization(GoldenCase golden)
    {
        using var random = new Generator(1);
        foreach (var name in golden.Names().Where(name => name.EndsWith(".A.re", StringComparison.Ordinal)))
        {
            var parts = name.Split('.');
            var stateDim = long.Parse(parts[0].AsSpan(1), CultureInfo.InvariantCulture);
            var options = new DiagonalSsmOptions(stateDim, Initialization: Enum.Parse<DiagonalInitialization>(parts[1], ignoreCase: true));
            using var ssm = new DiagonalSsm(options, 3, new ParameterFactory(random, ScalarType.Float64));
            var parameters = ssm.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
            var (re, im) = (golden.Tensor(name), golden.Tensor($"{parts[0]}.{parts[1]}.A.im"));
            for (var head = 0; head < 3; head++)
            {
                Close.Check($"{parts[0]} {parts[1]} real", re, parameters["kernel.inv_A_real"][head].exp().neg(), relative: InitialValue);
                Close.Check($"{parts[0]} {parts[1]} imaginary", im, parameters["kernel.A_imag"][head], relative: InitialValue, relativeToLargest: 1e-7);
            }
        }
    }

    private static void Shift(GoldenCase golden)
    {
        foreach (var name in golden.Groups('.'))
        {
            foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
                CheckShift(golden, name, dtype);
        }
    }

    private static void CheckShift(GoldenCase golden, string name, ScalarType dtype)
    {
        using var random = new Generator(1);
        var (B, C, K) = (golden.Tensor($"{name}.B"), golden.Tensor($"{name}.C"), golden.Tensor($"{name}.K"));
        using var ssm = new ShiftSsm(B.size(0), B.size(1), new ParameterFactory(random, dtype));
        CheckpointLoader.Load(ssm, new Dictionary<string, Tensor> { ["kernel.B"] = B, ["kernel.C"] = C }, allowCast: true);
        var kernel = ssm.Kernel(K.size(2));
        CheckValue($"{name} K", K.squeeze(0), kernel, ToleranceOf(dtype));
        var leaves = ssm.named_parameters().ToList();
        var gradients = Gradients.Of(kernel, [.. leaves.Select(leaf => (Tensor)leaf.parameter)], golden.Tensor($"{name}.gK").squeeze(0).to(dtype));
        foreach (var ((parameter, _), gradient) in leaves.Zip(gradients))
            CheckGradient($"{name} gradient of {parameter}", golden.Tensor($"{name}.grad.{parameter.Split('.')[^1]}"), gradient);
        var (y, state) = ssm.Run(golden.Tensor($"{name}.u").to(dtype), golden.Tensor($"{name}.state0").to(dtype));
        CheckValue($"{name} y", golden.Tensor($"{name}.y"), y, ToleranceOf(dtype));
        CheckValue($"{name} state1", golden.Tensor($"{name}.state1"), state, ToleranceOf(dtype));
    }

    private static void CheckGradient(string name, Tensor expected, Tensor actual)
    {
        if (actual.dtype == ScalarType.Float64)
            Close.Check(name, expected, actual, absolute: ExactGradient);
        else
            Close.Check(name, expected, actual, relativeToLargest: SingleGradient);
    }

    private static void CheckValue(string name, Tensor expected, Tensor actual, double tolerance) =>
        Close.Check(name, expected, actual, absolute: tolerance, relative: tolerance == Single ? Single : 0);

    private static ScalarType StoredType(GoldenCase golden) => golden.Tensor("u").dtype;

    // The bilinear form is H3's own; only files of whole layers state another.
    private static Discretization DiscretizationOf(string text) => text switch
    {
        "zoh" => Discretization.Zoh,
        "bil" or "bilinear" => Discretization.Bilinear,
        "dss" => Discretization.Dss,
        _ => throw new ArgumentException($"disc = {text} is none of zoh, bilinear (bil) and dss."),
    };

    private static H3Mixer Build(GoldenCase golden, ScalarType dtype, Func<Tensor, long, Tensor>? changeOutput = null)
    {
        var weights = golden.Tensors("w.");
        var modelDim = weights["ssm_k_D"].size(0);
        var options = new H3Options
        {
            HeadDim = modelDim / weights["D"].size(0),
            StateDim = 2 * weights["kernel.kernel.C"].size(2),
            ShiftDim = weights["ssm_k_kernel.kernel.B"].size(1),
            Discretization = DiscretizationOf(golden.Kind == "h3_layer" ? golden.Options.Text("disc") : golden.Options.Text("disc", "bilinear")),
            MaxKernelLength = golden.Options.Whole("l_max", 0) is > 0 and var length ? length : null,
        };
        golden.Options.Agrees("head_dim", options.HeadDim);
        golden.Options.Agrees("d_state", options.StateDim);
        if (changeOutput is not null)
            weights["output_linear.weight"] = changeOutput(weights["output_linear.weight"], options.HeadDim);
        var mixer = ToyH3.Build(options, dtype, modelDim);
        CheckpointLoader.Load(mixer, weights, allowCast: true);
        return mixer;
    }
}
