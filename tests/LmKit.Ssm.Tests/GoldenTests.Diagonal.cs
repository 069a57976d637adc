using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public partial class GoldenTests
{
    // What the parts of a case's name behind the discretisation can say; the initialisations change no kernel once parameters are given.
    private static readonly string[] kernelTags = ["lin", "inv", "inv2", "quad", "real", "legs", "mixed", "tied", "exp", "relu", "softplus", "sigmoid", "forcereal", "bandlimit"];

    private static void DiagonalKernel(GoldenCase golden)
    {
        foreach (var name in golden.Groups('.'))
        {
            foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
            {
                using var ssm = KernelCase(golden, name, dtype);
                var K = golden.Tensor($"{name}.K").squeeze(0);
                var kernel = ssm.Kernel(K.size(1));
                CheckValue($"{name} K", K, kernel, ToleranceOf(dtype));
                var leaves = ssm.named_parameters().ToList();
                var gradients = Gradients.Of(kernel, [.. leaves.Select(leaf => (Tensor)leaf.parameter)], golden.Tensor($"{name}.gK").squeeze(0).to(dtype));
                foreach (var ((parameter, _), gradient) in leaves.Zip(gradients))
                    CheckGradient($"{name} gradient of {parameter}", golden.Tensor($"{name}.grad.{parameter.Split('.')[^1]}"), gradient);
                if (golden.Has($"{name}.u") || golden.Names($"{name}.state").Count > 0)
                    CheckRecurrence(golden, name, ssm, dtype);
            }
        }
    }

    private static void CheckRecurrence(GoldenCase golden, string name, DiagonalSsm ssm, ScalarType dtype)
    {
        var tolerance = ToleranceOf(dtype);
        var u = golden.Tensor($"{name}.u").to(dtype);
        var state = ComplexOf(dtype, golden.Complex($"{name}.state0"));
        var (decay, input) = ssm.Recurrence();
        CheckValue($"{name} dA", golden.Complex($"{name}.dA"), decay, tolerance);
        CheckValue($"{name} dB", golden.Complex($"{name}.dB"), input, tolerance);
        CheckValue($"{name} y_state", golden.Tensor($"{name}.y_state"), ssm.Response(state, u.size(2)), tolerance);
        foreach (var chunk in new[] { 0, 1, 5 })
        {
            var (y, after) = ssm.Run(u, state, chunkLength: chunk);
            CheckValue($"{name} y in chunks of {chunk}", golden.Tensor($"{name}.y"), y, tolerance);
            CheckValue($"{name} state1 in chunks of {chunk}", golden.Complex($"{name}.state1"), after, tolerance);
        }
    }

    private static Tensor ComplexOf(ScalarType dtype, Tensor value) => view_as_complex(view_as_real(value).to(dtype).contiguous());

    private static DiagonalSsm KernelCase(GoldenCase golden, string name, ScalarType dtype)
    {
        var C = golden.Tensor($"{name}.C");
        var tags = name.Split('_');
        var unknown = tags[1..].Except(kernelTags).ToList();
        Assert.True(unknown.Count == 0, $"{golden.Name}, case {name}: no meaning is known for {string.Join(", ", unknown)}; those known are {string.Join(", ", kernelTags)}.");
        var options = new DiagonalSsmOptions(
            2 * C.size(2),
            DiscretizationOf(tags[0]),
            MatrixCount: golden.Tensor($"{name}.A_imag").size(0),
            RealPart: tags.Contains("relu") ? RealPart.Relu : tags.Contains("softplus") ? RealPart.Softplus : tags.Contains("sigmoid") ? RealPart.Sigmoid : RealPart.Exp,
            IsReal: tags.Contains("forcereal"),
            BandLimit: tags.Contains("bandlimit") ? golden.Options.Number("bandlimit", 0.5) : null); // the data's README says 0.5
        return LoadDiagonal(golden, $"{name}.", options, dtype);
    }

    private static DiagonalSsm LoadDiagonal(GoldenCase golden, string prefix, DiagonalSsmOptions options, ScalarType dtype)
    {
        using var random = new Generator(1);
        var ssm = new DiagonalSsm(options, golden.Tensor($"{prefix}C").size(1), new ParameterFactory(random, dtype));
        string[] names = ["log_dt", "inv_A_real", "A_imag", "B", "C"];
        CheckpointLoader.Load(ssm, names.ToDictionary(name => $"kernel.{name}", name => golden.Tensor($"{prefix}{name}")), allowCast: true);
        return ssm;
    }

    private static void Passing(GoldenCase golden)
    {
        using var frozen = no_grad();
        var options = new DiagonalSsmOptions(2 * golden.Tensor("C").size(2), DiscretizationOf(golden.Options.Text("disc")), MatrixCount: golden.Tensor("A_imag").size(0));
        golden.Options.Agrees("d_state", options.StateDim);
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            var (u, D, y, tolerance) = (golden.Tensor("u").to(dtype), golden.Tensor("D").to(dtype), golden.Tensor("y"), ToleranceOf(dtype));
            using var ssm = LoadDiagonal(golden, string.Empty, options, dtype);
            foreach (var chunk in new[] { 1, 7, 16, 32, 64, (int)u.size(2), 128 })
            {
                var (chunked, end) = ssm.Run(u, null, D, chunk);
                CheckValue($"y in chunks of {chunk}", y, chunked, tolerance);
                CheckValue($"state_end in chunks of {chunk}", golden.Complex("state_end"), end, tolerance);
            }
            foreach (var chunk in Chunks(golden, "states_chunk"))
            {
                var states = golden.Complex($"states_chunk{chunk}");
                CheckPassed(u, chunk, states, (piece, state) => ssm.Run(piece, state, D), y);
            }
            foreach (var chunk in dtype == ScalarType.Float64 ? Chunks(golden, "Mxy") : [])
                CheckMatrices(golden, ssm, chunk);
            if (golden.Names("shift.").Count > 0)
                PassingShift(golden, u);
        }
    }

    // The chunk lengths that stand in tensor names, "states_chunk16.re".
    private static long[] Chunks(GoldenCase golden, string prefix) =>
        [.. golden.Names(prefix).Select(name => long.Parse(name[prefix.Length..].Split('.')[0], CultureInfo.InvariantCulture)).Distinct()];

    private static void CheckPassed(Tensor u, long chunk, Tensor states, Func<Tensor, Tensor?, (Tensor Output, Tensor State)> run, Tensor y)
    {
        var pieces = u.split(chunk, 2);
        Assert.Equal(pieces.Length, states.size(0));
        Tensor? state = null;
        foreach (var (index, piece) in pieces.Index())
        {
            (var output, state) = run(piece, state);
            CheckValue($"y of chunk {index} of {chunk}", y.narrow(2, index * chunk, piece.size(2)), output, ToleranceOf(u.dtype));
            CheckValue($"state after chunk {index} of {chunk}", states[index], state, ToleranceOf(u.dtype));
        }
    }

    private static void PassingShift(GoldenCase golden, Tensor u)
    {
        using var random = new Generator(1);
        var B = golden.Tensor("shift.B");
        golden.Options.Agrees("shift_d_state", B.size(1));
        using var shift = new ShiftSsm(B.size(0), B.size(1), new ParameterFactory(random, u.dtype));
        CheckpointLoader.Load(shift, new Dictionary<string, Tensor> { ["kernel.B"] = B, ["kernel.C"] = golden.Tensor("shift.C") }, allowCast: true);
        CheckValue("shift y", golden.Tensor("shift.y"), shift.Run(u, null).Output, ToleranceOf(u.dtype));
        foreach (var chunk in Chunks(golden, "shift.states_chunk"))
            CheckPassed(u, chunk, golden.Tensor($"shift.states_chunk{chunk}"), (piece, state) => shift.Run(piece, state), golden.Tensor("shift.y"));
    }

    // The chunk matrices by what they do to unit states and unit inputs: 2 Re M_xy x, M_ux u and A-bar^m x.
    private static void CheckMatrices(GoldenCase golden, DiagonalSsm ssm, long length)
    {
        var (readout, input, decay) = (golden.Complex($"Mxy{length}"), golden.Complex($"Mux{length}"), golden.Complex($"Apow{length}"));
        var (heads, states) = (decay.size(0), decay.size(1));
        for (var n = 0L; n < states; n++)
        {
            var unit = zeros([1, heads, states], ScalarType.ComplexFloat64);
            unit.narrow(2, n, 1).fill_(1);
            CheckValue($"Mxy real {n}", readout.real.select(2, n) * 2, ssm.Response(unit, length)[0], Exact);
            CheckValue($"Mxy imaginary {n}", readout.imag.select(2, n) * -2, ssm.Response(unit * System.Numerics.Complex.ImaginaryOne, length)[0], Exact);
            CheckValue($"Apow {n}", decay.select(1, n), ssm.Run(zeros(1, heads, length, dtype: ScalarType.Float64), unit).State[0].select(1, n), Exact);
        }
        for (var j = 0L; j < length; j++)
        {
            var unit = zeros(1, heads, length, dtype: ScalarType.Float64);
            unit.narrow(2, j, 1).fill_(1);
            CheckValue($"Mux {j}", input.select(2, j), ssm.Run(unit).State[0], Exact);
        }
    }

    private static void S4DLayer(GoldenCase golden)
    {
        using var frozen = no_grad();
        var weights = golden.Tensors("w.");
        var options = new S4DOptions
        {
            StateDim = 2 * weights["kernel.kernel.C"].size(2),
            MatrixCount = weights["kernel.kernel.log_w_real"].size(0),
            Discretization = DiscretizationOf(golden.Options.Text("disc", "zoh")), // the published layer's
            IsGated = golden.Options.Text("postact") switch
            {
                "none" => false,
                "glu" => true,
                var other => throw new ArgumentException($"postact = {other} is neither none nor glu."),
            },
        };
        golden.Options.Agrees("d_state", options.StateDim);
        golden.Options.Agrees("n_ssm", options.MatrixCount);
        golden.Options.Describe("scaling"); // of the initial matrix, in whose place the file gives one
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            var builder = ToyModel.Builder(dtype: dtype, modelDim: weights["D"].size(1));
            builder.Options.IsBidirectional = golden.Options.Flag("bidirectional");
            using var mixer = ToyModel.Component(builder, layer => new S4DMixer(options, layer));
            CheckpointLoader.Load(mixer, weights, allowCast: true);
            var (u, K) = (golden.Tensor("u").to(dtype), golden.Tensor("K"));
            Assert.Equal(builder.Options.IsBidirectional ? 2 : 1, K.size(0));
            for (var channel = 0; channel < K.size(0); channel++)
                CheckValue($"K {channel}", K[channel], mixer.Kernel(K.size(2), isFuture: channel == 1), ToleranceOf(dtype));
            CheckValue("y", golden.Tensor("y"), mixer.call(u, null), ToleranceOf(dtype));
            if (builder.Options.IsBidirectional)
                continue;
            using var state = mixer.NewState(u.size(0));
            CheckValue("streamed y", golden.Tensor("y"), cat([.. u.split(4, 1).Select(piece => mixer.call(piece, new SequenceContext(state)))], 1), ToleranceOf(dtype));
            CheckValue("state_end", golden.Complex("state_end").view_as_real(), state.Tensors["diagonal"].squeeze(1), ToleranceOf(dtype));
        }
    }
}
