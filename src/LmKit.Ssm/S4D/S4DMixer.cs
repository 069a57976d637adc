using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>S4D (Gu et al. 2022): y = W gelu(K * u + D u) + b, one diagonal state space per channel.</summary>
/// <remarks>In a bidirectional model a second kernel reads the strict future, y_t += sum over j of K'_j u_(t+1+j), and no state is
/// carried. State space parameters, kernels and states are never below float32.</remarks>
public sealed class S4DMixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer, IPreparedWeights
{
    [ComponentName(Name = "D")]
    private readonly Parameter skip;      // (1, D)
    [ComponentName(Name = "kernel")]
    private readonly DiagonalSsm diagonal;
    [ComponentName(Name = "output_linear")]
    private readonly nn.IModule<Tensor, Tensor> output;
    private readonly long modelDim;
    private readonly long stateDim;
    private readonly long chunkLength;
    private readonly ParameterCache<DiagonalStep> steps = new();

    /// <summary>Makes it for a layer.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit each other or the model.</exception>
    public S4DMixer(S4DOptions options, LayerContext layer)
        : base(nameof(S4DMixer))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        modelDim = layer.ModelDim;
        stateDim = options.StateDim;
        chunkLength = options.ChunkLength;
        IsCausal = !layer.IsBidirectional;
        if (chunkLength > 0 && (!IsCausal || options.Discretization == Discretization.Dss))
            throw new ArgumentException($"{nameof(S4DOptions)}.{nameof(options.ChunkLength)} = {chunkLength} passes state from chunk to chunk, which neither a bidirectional model nor {nameof(options.Discretization)} = {nameof(Discretization.Dss)} allows; leave one out.", nameof(options));
        var parameters = layer.Parameters.AtLeastFloat32();
        var channels = IsCausal ? 1 : 2;
        diagonal = new DiagonalSsm(options.Diagonal, new S4DParameters(options.Diagonal, modelDim, channels, parameters), channels);
        skip = parameters.Normal(1, 1, modelDim);
        output = options.IsGated ? new GatedOutput(layer.Within("output_linear")) : layer.Linear("output_linear", modelDim, modelDim, isResidualOutput: true);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public bool IsCausal { get; }

    /// <summary>The convolution kernel (D, length) of a direction, differentiable; the caller's own, in its dispose scope.</summary>
    /// <param name="length">Taps.</param>
    /// <param name="isFuture">Whether the one of the strict future is wanted, which only bidirectional layers have.</param>
    public Tensor Kernel(long length, bool isFuture = false)
    {
        if (isFuture && IsCausal)
            throw new NotSupportedException($"A causal {nameof(S4DMixer)} has no kernel of the future.");
        return diagonal.OwnKernel(length, isFuture ? 1 : 0);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The mixer is bidirectional, or dss leaves it without a recurrence.</exception>
    public MixerState NewState(long batch)
    {
        if (!IsCausal)
            throw new NotSupportedException($"{nameof(S4DMixer)} of a bidirectional model reads later tokens, so no state can be carried from call to call.");
        if (!diagonal.HasRecurrence)
            throw new NotSupportedException($"{nameof(S4DMixer)} with disc = dss breaks the cut law: that kernel has no recurrence. Choose bilinear or zoh.");
        return new RecurrentState(nameof(S4DMixer), ["diagonal"], [StateShape], batch, diagonal.Dtype, diagonal.Device);
    }

    /// <inheritdoc/>
    public void Forget() => steps.Forget();

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        using var scope = NewDisposeScope();
        var call = SequenceCall.Begin(nameof(S4DMixer), x, modelDim, context);
        if (call.IsEmpty)
            return zeros_like(x).MoveToOuterDisposeScope();
        var mixed = call.Mix([x], (length, rows, isPiece) => Prepare(length, rows, call.State, isPiece), chunkLength, Start);
        return output.call(mixed).MoveToOuterDisposeScope();
    }

    private long[] StateShape => [1, modelDim, stateDim / 2, 2];

    private Tensor[] Start(long rows) => [zeros([rows, .. StateShape], diagonal.Dtype, diagonal.Device)];

    private SequenceCall.RowMixing Prepare(long length, long rows, RecurrentState? state, bool isPiece)
    {
        if (!IsCausal)
            return Bidirectional(length);
        // A step takes a token of every row, also of those that have ended: never for a piece.
        if (length == 1 && !isPiece && state is not null && !is_grad_enabled())
        {
            return (inputs, carry, _, _) =>
            {
                using var step = steps.Take([.. diagonal.Parameters, skip], () => new DiagonalStep(diagonal.Discretize(), skip.squeeze(0)));
                var (y, next) = step.Value.Take(inputs[0].to(diagonal.Dtype), carry![0]); // (B, 1, D)
                return (Activate(y, inputs[0].dtype), [next]);
            };
        }
        var convolution = new DiagonalConvolution(diagonal, skip.squeeze(0), length, length, rows);
        return (inputs, carry, lengths, tracksState) =>
        {
            var u = inputs[0].to(diagonal.Dtype).transpose(1, 2).unsqueeze(2); // (B, D, 1, L)
            var (y, next) = convolution.Run(u, carry?[0], lengths, tracksState);
            return (Activate(y.squeeze(2).transpose(1, 2), inputs[0].dtype), next is null ? null : [next]);
        };
    }

    private SequenceCall.RowMixing Bidirectional(long length)
    {
        var past = diagonal.Kernel(length, 0);
        var future = nn.functional.pad(diagonal.Kernel(length, 1), [1, 0]); // strict: u_t itself is left out
        return (inputs, _, lengths, _) =>
        {
            var u = TrimmedRows.Clear(inputs[0].to(diagonal.Dtype), lengths).transpose(1, 2); // (B, D, L)
            var y = LongConvolution.Convolve(u, past, skip.squeeze(0), future);
            return (Activate(y.transpose(1, 2), inputs[0].dtype), null);
        };
    }

    private static Tensor Activate(Tensor y, ScalarType dtype) => nn.functional.gelu(y).to(dtype);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            steps.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>A gated linear unit: W = (V, U) stacked, x to (V x) . sigmoid(U x).</summary>
internal sealed class GatedOutput : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "0")]
    private readonly ILinear linear;

    internal GatedOutput(LayerContext layer)
        : base(nameof(GatedOutput))
    {
        linear = layer.Linear("0", layer.ModelDim, 2 * layer.ModelDim, isResidualOutput: true);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var halves = linear.call(x).chunk(2, -1);
        return (halves[0] * halves[1].sigmoid()).MoveToOuterDisposeScope();
    }
}
