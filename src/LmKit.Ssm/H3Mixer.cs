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
public sealed class H3Mixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer
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
        if (headDim < 1 || modelDim % headDim != 0)
            throw new ArgumentException($"head_dim = {headDim} does not divide d_model = {modelDim}.", nameof(options));
        var heads = modelDim / headDim;
        var parameters = layer.Parameters.AtLeastFloat32();
        diagonal = new DiagonalSsm(
            new DiagonalSsmOptions(stateDim, options.Discretization, options.Initialization, options.MinTimeStep, options.MaxTimeStep), heads, parameters);
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
    /// <exception cref="NotSupportedException">Kernels are cut to l_max, which no recurrence can follow.</exception>
    public MixerState NewState(long batch) => maxKernelLength == long.MaxValue || cutsOnlyInTraining
        ? new H3State(batch, modelDim, shift.StateDim, headDim, stateDim, diagonal.Dtype, diagonal.Device)
        : throw new NotSupportedException(
            $"{nameof(H3Mixer)} with l_max = {maxKernelLength} breaks the cut law: its kernels end where the recurrence goes on. "
            + $"Leave l_max out, or set {nameof(H3Options.CutsOnlyInTraining)}.");

    /// <summary>The shift state space's state in its published form, filtered by B, from a state of this mixer.</summary>
    /// <returns>(B, D, N); the caller's.</returns>
    public Tensor PublishedShiftState(H3State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using var frozen = no_grad();
        return shift.PublishedState(state.Carry.Recent);
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        Shapes.CheckSequence(x, modelDim, nameof(H3Mixer));
        using var scope = NewDisposeScope();
        var (batch, length) = (x.size(0), x.size(1));
        var state = context?.State switch
        {
            null => null,
            H3State own => own,
            var other => throw new ArgumentException($"{nameof(H3Mixer)} carries an {nameof(H3State)}; got {other.GetType().Name}.", nameof(context)),
        };
        var layout = SequenceLayout.Read(batch, length, context?.Segments, state?.Cursor);
        state?.MovePast(length);
        if (batch * length == 0)
            return zeros_like(x).MoveToOuterDisposeScope();
        var (q, k, v) = (queries.call(x), keys.call(x), values.call(x)); // (B, L, D)
        var documents = layout.IsUniform ? null : DocumentGroups.Read(layout);
        var mixed = documents is null || (documents.IsWhole && state is not null)
            ? MixRows(q, k, v, state)
            : MixDocuments(q, k, v, state, documents);
        return output.call(mixed).MoveToOuterDisposeScope();
    }

    private Tensor MixRows(Tensor q, Tensor k, Tensor v, H3State? state)
    {
        var mix = Prepare(k.size(1), state);
        var (mixed, next) = mix(q, k, v, state?.Carry, null);
        if (next is not null)
            state!.Set(next);
        return mixed;
    }

    private Tensor MixDocuments(Tensor q, Tensor k, Tensor v, H3State? state, DocumentGroups documents)
    {
        if (documents.Groups.Count == 0)
            return zeros_like(q);
        var mix = Prepare(documents.Groups[^1].Length, state);
        var (carry, outputs) = (state?.Carry, new List<Tensor>());
        foreach (var group in documents.Groups)
        {
            var (mixed, next) = mix(group.Split(q), group.Split(k), group.Split(v), state?.Carry.Select(group), group.IsEven ? null : group.Lengths);
            outputs.Add(mixed);
            if (next is not null)
                carry = carry!.Replace(group, next);
        }
        if (carry is not null)
            state!.Set(carry);
        return documents.Join(outputs);
    }

    private Mixing Prepare(long length, H3State? state)
    {
        if (length == 1 && state is not null && !is_grad_enabled())
        {
            var step = state.Step(() => new H3Step(diagonal.Discretize(), Taps(), skip, headDim));
            return (q, k, v, carry, _) => step.Mix(q, k, v, carry!);
        }
        state?.DropStep();
        var isCut = state is null && (training || !cutsOnlyInTraining);
        return new H3Convolution(diagonal.Discretize(), Taps(), skip, headDim, length, isCut ? maxKernelLength : long.MaxValue, state?.Cursor.Batch ?? 0).Mix;
    }

    // f of the shift state space with its skip in f_0.
    private Tensor Taps() => shift.Taps() + nn.functional.pad(shiftSkip.unsqueeze(-1), [0, shift.StateDim - 1]); // (D, N)

    private delegate (Tensor Output, H3Carry? Next) Mixing(Tensor q, Tensor k, Tensor v, H3Carry? carry, IReadOnlyList<long>? lengths);
}
