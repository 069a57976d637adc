using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A diagonal state space per head (S4D): y = K * u with K_l = 2 Re sum over n of C B-bar A-bar^l.</summary>
/// <remarks>Parameters are never below float32, complex ones stored as (re, im); published names <c>kernel.C</c>, <c>kernel.B</c>,
/// <c>kernel.log_dt</c>, <c>kernel.inv_A_real</c>, <c>kernel.A_imag</c>. While no gradient is recorded the longest kernel asked for
/// is kept, until a parameter changes.</remarks>
public sealed class DiagonalSsm : nn.Module, IPreparedWeights
{
    [ComponentName(Name = "kernel")]
    private readonly IDiagonalParameters weights;
    private const long MaxLength = 1L << 30;
    private readonly DiagonalSsmOptions options;
    private readonly ParameterCache<Tensor>[] kernels; // (H, length) for each channel
    private readonly ParameterCache<Tensor> stateTables = new();

    /// <summary>Makes it with C complex standard normal, B = 1, ln dt uniform.</summary>
    /// <param name="options">What it is made of.</param>
    /// <param name="headCount">Heads H.</param>
    /// <param name="factory">Makes the parameters.</param>
    /// <exception cref="ArgumentException">Sizes do not fit each other, or the time steps are not 0 &lt; min &lt;= max.</exception>
    public DiagonalSsm(DiagonalSsmOptions options, long headCount, ParameterFactory factory)
        : this(options, new DiagonalParameters(options ?? throw new ArgumentNullException(nameof(options)), headCount, (factory ?? throw new ArgumentNullException(nameof(factory))).AtLeastFloat32()), 1)
    {
    }

    internal DiagonalSsm(DiagonalSsmOptions options, IDiagonalParameters weights, int channelCount)
        : base(nameof(DiagonalSsm))
    {
        this.options = options;
        this.weights = weights;
        kernels = [.. Enumerable.Range(0, channelCount).Select(_ => new ParameterCache<Tensor>())];
        RegisterComponents();
    }

    /// <summary>Dtype in which kernels and states are computed: that of the parameters.</summary>
    public ScalarType Dtype => weights.Dtype;

    /// <summary>Where the parameters lie.</summary>
    public Device Device => weights.Device;

    /// <summary>Whether it has a recurrence, so that state can be carried.</summary>
    public bool HasRecurrence => options.Discretization != Discretization.Dss;

    internal Tensor[] Parameters => weights.All;

    /// <summary>The convolution kernel (H, length), differentiable; the caller's own, in its dispose scope.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative, or more numbers are asked for than memory has addresses.</exception>
    public Tensor Kernel(long length) => OwnKernel(length, 0);

    /// <summary>A-bar and B-bar (H, n) complex, differentiable; they belong to the caller's dispose scope.</summary>
    /// <exception cref="NotSupportedException">There is no recurrence.</exception>
    public (Tensor Decay, Tensor Input) Recurrence()
    {
        using var scope = NewDisposeScope();
        var diagonal = Discretize();
        var (decay, input) = (view_as_complex(diagonal.LogA.Exp().Join().to(Dtype)), view_as_complex(diagonal.InputB.Join().to(Dtype)));
        return (decay.MoveToOuterDisposeScope(), input.MoveToOuterDisposeScope());
    }

    /// <summary>Runs along sequences from a state, in chunks: exact for any chunk, differentiable through all of them.</summary>
    /// <param name="u">(B, H, L).</param>
    /// <param name="state">(B, H, n) complex, or null for zero.</param>
    /// <param name="skip">D (H), or null for none.</param>
    /// <param name="chunkLength">Columns at a time; 0 for all at once.</param>
    /// <returns>y (B, H, L) and the state after it (B, H, n) complex, in the caller's dispose scope.</returns>
    /// <exception cref="NotSupportedException">There is no recurrence.</exception>
    /// <exception cref="ArgumentException">The state is of another size.</exception>
    public (Tensor Output, Tensor State) Run(Tensor u, Tensor? state = null, Tensor? skip = null, long chunkLength = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(chunkLength);
        if (!HasRecurrence)
            throw new NotSupportedException($"{nameof(DiagonalSsm)} with disc = dss has no recurrence, so it cannot run from a state; use {nameof(Kernel)}, or bilinear or zoh.");
        var check = NewCheck();
        check.AnyFloating(u, nameof(u), "B H L");
        if (state is not null)
            CheckState(ref check, state);
        if (skip is not null)
            check.AnyFloating(skip, nameof(skip), "H");
        CheckDevice(u, nameof(u));
        using var scope = NewDisposeScope();
        var (batch, heads, length) = (u.size(0), u.size(1), u.size(2));
        var carried = state is null ? zeros([batch, heads, options.StateDim / 2, 2], Dtype, Device) : view_as_real(state);
        var chunk = chunkLength > 0 ? Math.Min(chunkLength, length) : length;
        if (length == 0 || batch == 0)
            return (u.to(Dtype).alias().MoveToOuterDisposeScope(), view_as_complex(carried).clone().MoveToOuterDisposeScope());
        var convolution = new DiagonalConvolution(this, skip, chunk, chunk, batch);
        var outputs = new List<Tensor>();
        foreach (var piece in u.to(Dtype).unsqueeze(2).split(chunk, 3))
        {
            var (y, next) = convolution.Run(piece, carried, null, tracksState: true);
            outputs.Add(y.squeeze(2));
            carried = next!;
        }
        return (cat(outputs, 2).MoveToOuterDisposeScope(), view_as_complex(carried.contiguous()).MoveToOuterDisposeScope());
    }

    /// <summary>What a state alone contributes to the next outputs, 2 Re sum over n of C A-bar^(t + 1) x.</summary>
    /// <param name="state">(B, H, n) complex.</param>
    /// <param name="length">Outputs wanted.</param>
    /// <returns>(B, H, length), in the caller's dispose scope.</returns>
    public Tensor Response(Tensor state, long length)
    {
        if (!HasRecurrence)
            throw new NotSupportedException($"{nameof(DiagonalSsm)} with disc = dss has no recurrence, so a state has no response; use {nameof(Kernel)}, or bilinear or zoh.");
        var check = NewCheck();
        CheckState(ref check, state);
        CheckDevice(state, nameof(state));
        CheckLength(length);
        using var scope = NewDisposeScope();
        if (length == 0 || state.size(0) == 0)
            return zeros([state.size(0), state.size(1), length], Dtype, Device).MoveToOuterDisposeScope();
        var diagonal = Discretize();
        return diagonal.Response(diagonal.Powers(length, state.size(0)), view_as_real(state), length).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Forget()
    {
        foreach (var kernel in kernels)
            kernel.Forget();
        stateTables.Forget();
    }

    /// <summary>A kernel that may be written into: no view of one that is kept.</summary>
    internal Tensor OwnKernel(long length, int channel)
    {
        using var shared = Kernel(length, channel);
        return shared.clone();
    }

    /// <summary>A kernel that may be a view of one that is kept.</summary>
    internal Tensor Kernel(long length, int channel)
    {
        CheckLength(length);
        if (length == 0)
            return zeros([weights.HeadCount, 0], Dtype, Device);
        if (is_grad_enabled() && weights.All.Any(parameter => parameter.requires_grad))
            return Make();
        using var kept = kernels[channel].Take(weights.All, Make, kernel => kernel.size(1) == length || (HasRecurrence && kernel.size(1) > length)); // a recurrence's longer kernel begins with the shorter
        return kept.Value.narrow(1, 0, length);

        Tensor Make()
        {
            using var scope = NewDisposeScope();
            var diagonal = Discretize(length, channel);
            return diagonal.Kernel(diagonal.Powers(length, rows: 1), length).MoveToOuterDisposeScope();
        }
    }

    /// <summary>Tables for <see cref="Vandermonde"/>, kept while the parameters stay; carries no gradient.</summary>
    internal Tensor StateTables()
    {
        using var kept = stateTables.Take(weights.All, Make);
        return kept.Value.alias();

        Tensor Make()
        {
            using var scope = NewDisposeScope();
            return VandermondeTables.Make(Discretize()).MoveToOuterDisposeScope();
        }
    }

    internal DiscreteDiagonal Discretize(long kernelLength = 0, int channel = 0)
    {
        var diagonal = weights.Continuous(channel).Restrict(options).Discretize(options.Discretization, kernelLength);
        return weights.HasUnitInput ? diagonal.WithUnitInput() : diagonal;
    }

    private TensorCheck NewCheck()
    {
        var check = new TensorCheck(nameof(DiagonalSsm));
        check.Bind("H", weights.HeadCount);
        check.Bind("n", options.StateDim / 2);
        return check;
    }

    // A state of either precision is taken as its values.
    private static void CheckState(ref TensorCheck check, Tensor state)
    {
        check.Any(state, nameof(state), "B H n");
        if (!state.is_complex())
            throw new ArgumentException($"{nameof(DiagonalSsm)} takes a complex state; got {state.dtype}.", nameof(state));
    }

    private void CheckDevice(Tensor tensor, string name)
    {
        if (tensor.device_type != Device.type || tensor.device_index != Device.index)
            throw new ArgumentException($"{nameof(DiagonalSsm)} lies on {Device}; got {name} on {tensor.device}.", name);
    }

    // A kernel's powers take H n L complex numbers.
    private static void CheckLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxLength);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Forget();
        base.Dispose(disposing);
    }
}
