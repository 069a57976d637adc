using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public partial class GoldenTests
{
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
                var gradients = autograd.grad([kernel], [.. leaves.Select(leaf => (Tensor)leaf.parameter)], [golden.Tensor($"{name}.gK").squeeze(0).to(dtype)]);
                foreach (var ((parameter, _), gradient) in leaves.Zip(gradients))
                    CheckGradient($"{name} gradient of {parameter}", golden.Tensor($"{name}.grad.{parameter.Split('.')[^1]}"), gradient);
                if (golden.Has($"{name}.u"))
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
        var parts = name.Split('_');
        var options = new DiagonalSsmOptions(
            2 * C.size(2),
            parts[0] switch { "zoh" => Discretization.Zoh, "bil" => Discretization.Bilinear, _ => Discretization.Dss },
            MatrixCount: golden.Tensor($"{name}.A_imag").size(0),
            RealPart: parts[1] switch { "relu" => RealPart.Relu, "softplus" => RealPart.Softplus, _ => RealPart.Exp },
            IsReal: parts[1] == "forcereal",
            BandLimit: parts[1] == "bandlimit" ? 0.5 : null);
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
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            var (u, D, y, tolerance) = (golden.Tensor("u").to(dtype), golden.Tensor("D").to(dtype), golden.Tensor("y"), ToleranceOf(dtype));
            using var ssm = LoadDiagonal(golden, string.Empty, new DiagonalSsmOptions(2 * golden.Tensor("C").size(2)), dtype);
            foreach (var chunk in new[] { 1, 7, 16, 32, 64, 100, 128 })
            {
                var (chunked, end) = ssm.Run(u, null, D, chunk);
                CheckValue($"y in chunks of {chunk}", y, chunked, tolerance);
                CheckValue($"state_end in chunks of {chunk}", golden.Complex("state_end"), end, tolerance);
            }
            foreach (var chunk in new[] { 7, 16 })
            {
                Tensor? state = null;
                foreach (var (index, piece) in u.split(chunk, 2).Index())
                {
                    (_, state) = ssm.Run(piece, state, D);
                    CheckValue($"state after chunk {index} of {chunk}", golden.Complex($"states_chunk{chunk}")[index], state, tolerance);
                }
            }
            if (dtype == ScalarType.Float64)
                CheckMatrices(golden, ssm);
            PassingShift(golden, u);
        }
    }

    private static void PassingShift(GoldenCase golden, Tensor u)
    {
        using var random = new Generator(1);
        using var shift = new ShiftSsm(3, 8, new ParameterFactory(random, u.dtype));
        CheckpointLoader.Load(shift, new Dictionary<string, Tensor> { ["kernel.B"] = golden.Tensor("shift.B"), ["kernel.C"] = golden.Tensor("shift.C") }, allowCast: true);
        Tensor? shifted = null;
        foreach (var (index, piece) in u.split(16, 2).Index())
        {
            (var output, shifted) = shift.Run(piece, shifted);
            CheckValue($"shift y {index}", golden.Tensor("shift.y").narrow(2, index * 16, piece.size(2)), output, ToleranceOf(u.dtype));
            CheckValue($"shift state {index}", golden.Tensor("shift.states_chunk16")[index], shifted, ToleranceOf(u.dtype));
        }
    }

    // The chunk matrices by what they do to unit states and unit inputs: 2 Re M_xy x, M_ux u and A-bar^m x.
    private static void CheckMatrices(GoldenCase golden, DiagonalSsm ssm)
    {
        var (readout, input, decay) = (golden.Complex("Mxy16"), golden.Complex("Mux16"), golden.Complex("Apow16"));
        for (var n = 0L; n < 4; n++)
        {
            var unit = zeros([1, 3, 4], ScalarType.ComplexFloat64);
            unit.narrow(2, n, 1).fill_(1);
            CheckValue($"Mxy real {n}", readout.real.select(2, n) * 2, ssm.Response(unit, 16)[0], Exact);
            CheckValue($"Mxy imaginary {n}", readout.imag.select(2, n) * -2, ssm.Response(unit * System.Numerics.Complex.ImaginaryOne, 16)[0], Exact);
            CheckValue($"Apow {n}", decay.select(1, n), ssm.Run(zeros(1, 3, 16, dtype: ScalarType.Float64), unit).State[0].select(1, n), Exact);
        }
        for (var j = 0L; j < 16; j++)
        {
            var unit = zeros(1, 3, 16, dtype: ScalarType.Float64);
            unit.narrow(2, j, 1).fill_(1);
            CheckValue($"Mux {j}", input.select(2, j), ssm.Run(unit).State[0], Exact);
        }
    }

    private static void S4DLayer(GoldenCase golden)
    {
        using var frozen = no_grad();
        var weights = golden.Names("w.").ToDictionary(name => name[2..], golden.Tensor);
        var options = new S4DOptions
        {
            StateDim = long.Parse(golden.Metadata["d_state"], CultureInfo.InvariantCulture),
            MatrixCount = long.Parse(golden.Metadata["n_ssm"], CultureInfo.InvariantCulture),
            IsGated = golden.Metadata["postact"] == "glu",
        };
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            var builder = ToyModel.Builder(dtype: dtype, modelDim: weights["D"].size(1));
            builder.Options.IsBidirectional = golden.Metadata["bidirectional"] == "True";
            using var mixer = ToyModel.Component(builder, layer => new S4DMixer(options, layer));
            CheckpointLoader.Load(mixer, weights, allowCast: true);
            var (u, K) = (golden.Tensor("u").to(dtype), golden.Tensor("K"));
            for (var channel = 0; channel < K.size(0); channel++)
                CheckValue($"K {channel}", K[channel], mixer.Kernel(K.size(2), isFuture: channel == 1), ToleranceOf(dtype));
            CheckValue("y", golden.Tensor("y"), mixer.call(u, null), ToleranceOf(dtype));
            if (!golden.Has("state_end.re"))
                continue;
            using var state = mixer.NewState(u.size(0));
            CheckValue("streamed y", golden.Tensor("y"), cat([.. u.split(4, 1).Select(piece => mixer.call(piece, new SequenceContext(state)))], 1), ToleranceOf(dtype));
            CheckValue("state_end", golden.Complex("state_end").view_as_real(), state.Tensors["diagonal"].squeeze(1), ToleranceOf(dtype));
        }
    }
}
