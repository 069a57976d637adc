using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The trained tensors of a diagonal state space and how they become a recurrence; complex ones are (re, im) pairs.</summary>
internal sealed class DiagonalParameters : nn.Module, IParameterHints
{
    [ComponentName(Name = "C")]
    private readonly Parameter readout;         // (1, H, n, 2)
    [ComponentName(Name = "B")]
    private readonly Parameter input;           // (H, n, 2)
    [ComponentName(Name = "log_dt")]
    private readonly Parameter logTimeStep;     // (H)
    [ComponentName(Name = "inv_A_real")]
    private readonly Parameter logDecay;        // (H, n), Re a = -exp of it
    [ComponentName(Name = "A_imag")]
    private readonly Parameter frequency;       // (H, n)
    private readonly Discretization discretization;

    internal DiagonalParameters(DiagonalSsmOptions options, long headCount, ParameterFactory factory)
        : base(nameof(DiagonalParameters))
    {
        var n = options.StateDim / 2;
        discretization = options.Discretization;
        readout = factory.Normal(Math.Sqrt(0.5), 1, headCount, n, 2);
        input = factory.From(_ => tensor([1.0, 0.0]).expand(headCount, n, 2), headCount, n, 2);
        logTimeStep = factory.Uniform(Math.Log(options.MinTimeStep), Math.Log(options.MaxTimeStep), headCount);
        logDecay = factory.From(_ => DiagonalMatrix.Create(options.Initialization, headCount, options.StateDim).Real.neg().clamp(min: 1e-4).log(), headCount, n);
        frequency = factory.From(_ => DiagonalMatrix.Create(options.Initialization, headCount, options.StateDim).Imaginary, headCount, n);
        RegisterComponents();
    }

    internal ScalarType Dtype => readout.dtype;

    internal Device Device => readout.device;

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) =>
        parameterName == "C" ? null : new ParameterHint(MaxLearningRate: 1e-3, Decays: false);

    /// <summary>The recurrence in float64, differentiable; lives in the caller's scope.</summary>
    internal DiscreteDiagonal Discretize()
    {
        var dt = logTimeStep.to(ScalarType.Float64).exp().unsqueeze(-1); // (H, 1)
        var re = logDecay.to(ScalarType.Float64).exp().neg();            // (H, n)
        var im = frequency.to(ScalarType.Float64);
        var B = ComplexPair.From(input.to(ScalarType.Float64));
        var C = ComplexPair.From(readout.squeeze(0).to(ScalarType.Float64));
        var (x, y) = (dt * re, dt * im);                                 // z = dt a
        if (discretization == Discretization.Zoh)
        {
            // e^z - 1 without cancellation, then over a.
            var rise = x.expm1() * y.cos() - 2 * (y / 2).sin().square();
            var turn = x.exp() * y.sin();
            var norm = re.square() + im.square();
            var held = new ComplexPair((rise * re + turn * im) / norm, (turn * re - rise * im) / norm);
            return new DiscreteDiagonal(new ComplexPair(x, y), B.Times(held), C, Dtype);
        }
        // ln((1 + z/2) / (1 - z/2)), principal: |1 + z/2|^2 - |1 - z/2|^2 = 2x and (1 + z/2)(1 - conj(z)/2) = 1 - |z|^2/4 + iy.
        var (s, p) = (1 - x / 2, y / 2);
        var square = s.square() + p.square();                            // |1 - z/2|^2
        var growth = (2 * x / square).clamp(min: -1 + 1e-15).log1p() / 2;
        var angle = atan2(y, 1 - (x.square() + y.square()) / 4);
        var scale = dt / square;
        return new DiscreteDiagonal(new ComplexPair(growth, angle), B.Times(new ComplexPair(s * scale, p * scale)), C, Dtype);
    }
}
