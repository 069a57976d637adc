using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>H3 (Fu et al. 2022, Algorithm 1): o = q . SSM_diag(SSM_shift(k) . v) per head, then an output projection.</summary>
/// <remarks>
/// <para>hd is the head width: key channel i and value channel j of a head are multiplied for every pair (i, j), the diagonal
/// state space runs along the sequence, and query channel i gathers the pairs into output channel j. Heads are merged head-major.</para>
/// <para>State space parameters, kernels and states are never below float32; projections may be half precision.</para>
/// </remarks>
public sealed class H3Mixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer, IPreparedWeights
{
    [ComponentName(Name = "q_proj")]
    private readonly ILinear queries;
    [ComponentName(Name = "k_proj")]
    private readonly ILinear keys;
    [ComponentName(Name = "v_proj")]
    private readonly ILinear values;
    [ComponentName(Name = "ssm_k_D")]
    private readonly Parameter shiftSkip; // (D)
    [ComponentName(Name = "ssm_k_kernel")]
    private readonly ShiftSsm shift;
    [ComponentName(Name = "kernel")]
    private readonly DiagonalSsm diagonal;
    [ComponentName(Name = "D")]
    private readonly Parameter skip;      // (H)
    [ComponentName(Name = "output_linear")]
    private readonly ILinear output;
    private readonly long modelDim;
    private readonly long headDim;
    private readonly long stateDim;
    private readonly long maxKernelLength;
    private readonly bool cutsOnlyInTraining;
    private readonly long chunkLength;
    private readonly ParameterCache<H3Step> steps = new();

    /// <summary>Makes it for a layer.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit each other or the model.</exception>
    public H3Mixer(H3Options options, LayerContext layer)
        : base(nameof(H3Mixer))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        modelDim = layer.ModelDim;
        headDim = options.HeadDim;
        stateDim = options.StateDim;
        maxKernelLength = options.MaxKernelLength ?? long.MaxValue;
        cutsOnlyInTraining = options.CutsOnlyInTraining;
        chunkLength = options.ChunkLength;
        if (chunkLength > 0 && (options.MaxKernelLength is not null || options.Discretization == Discretization.Dss))
            throw new ArgumentException($"{nameof(H3Options)}.{nameof(options.ChunkLength)} = {chunkLength} passes state from chunk to chunk, which neither {nameof(options.MaxKernelLength)} nor {nameof(options.Discretization)} = {nameof(Discretization.Dss)} allows; leave one out.", nameof(options));
        if (headDim < 1 || modelDim % headDim != 0)
            throw new ArgumentException($"{nameof(H3Options)}.{nameof(options.HeadDim)} = {headDim} does not divide ModelDim = {modelDim}.", nameof(options));
        var heads = modelDim / headDim;
        var parameters = layer.Parameters.AtLeastFloat32();
        diagonal = new DiagonalSsm(options.Diagonal, heads, parameters);
        shift = new ShiftSsm(modelDim, options.ShiftDim > 0 ? options.ShiftDim : stateDim, parameters);
        skip = parameters.Normal(1, heads);
        shiftSkip = parameters.Normal(1, modelDim);
        queries = layer.Linear("q_proj", modelDim, modelDim);
        keys = layer.Linear("k_proj", modelDim, modelDim);
        values = layer.Linear("v_proj", modelDim, modelDim);
        output = layer.Linear("output_linear", modelDim, modelDim, isResidualOutput: true);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">Kernels are cut to l_max, or normalised by dss, which no recurrence can follow.</exception>
    public MixerState NewState(long batch)
    {
        if (!diagonal.HasRecurrence)
            throw new NotSupportedException($"{nameof(H3Mixer)} with disc = dss breaks the cut law: that kernel has no recurrence. Choose bilinear or zoh.");
        if (maxKernelLength != long.MaxValue && !cutsOnlyInTraining)
        {
            throw new NotSupportedException(
                $"{nameof(H3Mixer)} with l_max = {maxKernelLength} breaks the cut law: its kernels end where the recurrence goes on. "
                + $"Leave l_max out, or set {nameof(H3Options.CutsOnlyInTraining)}.");
        }
        return new H3State(RecentShape, DiagonalShape, batch, diagonal.Dtype, diagonal.Device);
    }

    /// <summary>The shift state space's state in its published form, filtered by B, from a state of this mixer.</summary>
    /// <returns>(B, D, N); the caller's.</returns>
    public Tensor PublishedShiftState(H3State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using var frozen = no_grad();
        return shift.PublishedState(state.Carry[0]);
    }

    /// <inheritdoc/>
    public void Forget() => steps.Forget();

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        using var scope = NewDisposeScope();
        var call = SequenceCall.Begin(nameof(H3Mixer), x, modelDim, context);
        if (call.IsEmpty)
            return zeros_like(x).MoveToOuterDisposeScope();
        Tensor[] projections = [queries.call(x), keys.call(x), values.call(x)]; // q, k, v (B, L, D)
        var mixed = call.Mix(projections, (length, rows, isPiece) => Prepare(length, rows, call.State, isPiece), chunkLength, Start);
        return output.call(mixed).MoveToOuterDisposeScope();
    }

    private SequenceCall.RowMixing Prepare(long length, long rows, RecurrentState? state, bool isPiece)
    {
        // A step takes a token of every row, also of those that have ended: never for a piece.
        if (length == 1 && !isPiece && state is not null && !is_grad_enabled())
        {
            return (inputs, carry, _, _) =>
            {
                using var step = steps.Take([.. diagonal.Parameters, .. shift.Parameters, shiftSkip, skip], NewStep);
                return step.Value.Mix(inputs, carry!, state.Own);
            };
        }
        var isCut = state is null && (training || !cutsOnlyInTraining);
        return new H3Convolution(diagonal, Taps(), skip, headDim, length, isCut ? maxKernelLength : long.MaxValue, rows).Mix;
    }

    private Tensor[] Start(long rows) =>
        [zeros([rows, .. RecentShape], diagonal.Dtype, diagonal.Device), zeros([rows, .. DiagonalShape], diagonal.Dtype, diagonal.Device)];

    // f of the shift state space with its skip in f_0.
    private Tensor Taps() => shift.Taps() + nn.functional.pad(shiftSkip.unsqueeze(-1), [0, shift.StateDim - 1]); // (D, N)

    private H3Step NewStep() => new(nameof(H3Mixer), diagonal.Discretize(), Taps(), skip, headDim);

    private long[] RecentShape => [modelDim, shift.StateDim];

    private long[] DiagonalShape => [headDim, headDim, modelDim / headDim, stateDim / 2, 2];

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            steps.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>H3's carried state, of fixed size: the last N keys of every channel and the diagonal state of every head.</summary>
/// <remarks>The keys are raw, not filtered by the shift state space's B; <see cref="H3Mixer.PublishedShiftState"/> gives the
/// published form.</remarks>
public sealed class H3State : RecurrentState
{
    private static readonly string[] PartNames = ["recent_keys", "diagonal"];

    internal H3State(long[] recentShape, long[] diagonalShape, long batch, ScalarType dtype, Device device)
        : base(nameof(H3Mixer), PartNames, [recentShape, diagonalShape], batch, dtype, device)
    {
    }

    private H3State(Tensor[] parts, DocumentCursor cursor, long position)
        : base(nameof(H3Mixer), PartNames, parts, cursor, position)
    {
    }

    private protected override RecurrentState Copy(Tensor[] copies, DocumentCursor cursor) => new H3State(copies, cursor, Position);
}
