using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class DiagonalSsmTests
{
    // Tables in float64, products in float32: rounding of 2n terms of that size.
    private const double KernelTolerance = 5e-7;

    public static TheoryData<DiagonalInitialization, Discretization> Kinds()
    {
        var kinds = new TheoryData<DiagonalInitialization, Discretization>();
        foreach (var initialization in Enum.GetValues<DiagonalInitialization>())
        {
            kinds.Add(initialization, Discretization.Bilinear);
            kinds.Add(initialization, Discretization.Zoh);
        }
        return kinds;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_long_single_precision_kernel_agrees_with_the_sum_of_powers_in_double(DiagonalInitialization initialization, Discretization discretization)
    {
        const long length = 32_768;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(1);
        using var ssm = new DiagonalSsm(new DiagonalSsmOptions(64, discretization, initialization), 2, new ParameterFactory(random));
        var p = ssm.named_parameters().ToDictionary(pair => pair.name[7..], pair => pair.parameter.to(ScalarType.Float64));
        var dt = p["log_dt"].exp().unsqueeze(-1);
        var a = complex(-p["inv_A_real"].exp(), p["A_imag"]);
        var (b, c) = (view_as_complex(p["B"]), view_as_complex(p["C"][0]));
        var z = a * dt;
        var power = discretization == Discretization.Zoh ? z.exp() : (1 + z / 2) / (1 - z / 2);
        var input = discretization == Discretization.Zoh ? b * (z.exp() - 1) / a : b * dt / (1 - z / 2);
        var expected = new List<Tensor>();
        foreach (var l in arange(length, dtype: ScalarType.Float64).split(4096))
            expected.Add(((c * input).unsqueeze(-1) * (power.log().unsqueeze(-1) * l).exp()).sum(1).real * 2);

        var (exact, kernel) = (cat(expected, 1), ssm.Kernel(length));
        for (var head = 0; head < 2; head++)
            Close.Check($"K of head {head}", exact[head], kernel[head], relativeToLargest: KernelTolerance);
    }

    [Fact]
    public void Initial_values_have_the_published_statistics()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        using var ssm = new DiagonalSsm(new DiagonalSsmOptions(), 2048, new ParameterFactory(random));
        using var shift = new ShiftSsm(512, 64, new ParameterFactory(random));
        var p = ssm.named_parameters().Concat(shift.named_parameters().Select(pair => (name: $"shift.{pair.name}", pair.parameter)))
            .ToDictionary(pair => pair.name, pair => pair.parameter.detach());

        var logDt = p["kernel.log_dt"];
        var (low, high) = (Math.Log(1e-3), Math.Log(0.1));
        Assert.InRange(logDt.min().item<float>(), low - 1e-5, low + 0.02);
        Assert.InRange(logDt.max().item<float>(), high - 0.02, high + 1e-5);
        Assert.InRange(logDt.mean().item<float>(), (low + high) / 2 - 0.15, (low + high) / 2 + 0.15);
        Assert.InRange(logDt.std().item<float>(), 0.95 * (high - low) / Math.Sqrt(12), 1.05 * (high - low) / Math.Sqrt(12));
        Assert.InRange(p["kernel.C"].square().sum(-1).mean().item<float>(), 0.95, 1.05);
        Close.Check("B", tensor([1f, 0f]).expand(2048, 32, 2), p["kernel.B"]);
        Assert.InRange(p["shift.kernel.C"].min().item<float>(), -0.125, -0.124);
        Assert.InRange(p["shift.kernel.C"].max().item<float>(), 0.124, 0.125);
        Close.Check("shift B", nn.functional.pad(ones(512, 1), [0, 63]), p["shift.kernel.B"]);
    }

    [Fact]
    public void Mixed_gives_the_first_half_of_the_heads_inv_and_the_second_lin()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        using var mixed = Frequencies(DiagonalInitialization.Mixed);
        using var inv = Frequencies(DiagonalInitialization.Inv);
        using var lin = Frequencies(DiagonalInitialization.Lin);

        Close.Check("first half", inv[0], mixed[1]);
        Close.Check("second half", lin[0], mixed[2]);

        Tensor Frequencies(DiagonalInitialization initialization)
        {
            using var ssm = new DiagonalSsm(new DiagonalSsmOptions(8, Initialization: initialization), 4, new ParameterFactory(random));
            return ssm.get_parameter("kernel.A_imag")!.detach().clone();
        }
    }
}
