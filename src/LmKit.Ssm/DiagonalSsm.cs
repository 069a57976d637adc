using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A diagonal state space per head (S4D): y = K * u with K_l = 2 Re sum over n of C B-bar A-bar^l.</summary>
/// <remarks>Parameters are never below float32, complex ones stored as (re, im); published names <c>kernel.C</c>, <c>kernel.B</c>,
/// <c>kernel.log_dt</c>, <c>kernel.inv_A_real</c>, <c>kernel.A_imag</c>. Re a = -exp(inv_A_real) is negative, so nothing grows.</remarks>
public sealed class DiagonalSsm : nn.Module
{
    [ComponentName(Name = "kernel")]
    private readonly DiagonalParameters weights;

    /// <summary>Makes it with C complex standard normal, B = 1, ln dt uniform.</summary>
    /// <param name="options">What it is made of.</param>
    /// <param name="headCount">Heads H.</param>
    /// <param name="factory">Makes the parameters.</param>
    /// <exception cref="ArgumentException">The state size or, for mixed, the head count is odd, or the time steps are not 0 &lt; min &lt;= max.</exception>
    public DiagonalSsm(DiagonalSsmOptions options, long headCount, ParameterFactory factory)
        : base(nameof(DiagonalSsm))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(factory);
        if (options.StateDim < 2 || options.StateDim % 2 != 0)
            throw new ArgumentException($"d_state = {options.StateDim} must be even and at least 2: states come in conjugate pairs.", nameof(options));
        if (!(options.MinTimeStep > 0 && options.MinTimeStep <= options.MaxTimeStep))
            throw new ArgumentException($"dt_min = {options.MinTimeStep} and dt_max = {options.MaxTimeStep} must hold 0 < dt_min <= dt_max.", nameof(options));
        if (options.Initialization == DiagonalInitialization.Mixed && headCount % 2 != 0)
            throw new ArgumentException($"measure = mixed gives each half of the heads a matrix of its own; {headCount} heads cannot be halved.", nameof(options));
        weights = new DiagonalParameters(options, headCount, factory.AtLeastFloat32());
        RegisterComponents();
    }

    /// <summary>Dtype in which kernels and states are computed: that of the parameters.</summary>
    public ScalarType Dtype => weights.Dtype;

    /// <summary>Where the parameters lie.</summary>
    public Device Device => weights.Device;

    /// <summary>The convolution kernel (H, length), differentiable; belongs to the caller's dispose scope.</summary>
    public Tensor Kernel(long length)
    {
        using var scope = NewDisposeScope();
        var recurrence = Discretize();
        return recurrence.Kernel(recurrence.Powers(length, rows: 1), length).MoveToOuterDisposeScope();
    }

    internal DiscreteDiagonal Discretize() => weights.Discretize();
}
