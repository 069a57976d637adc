using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A shift state space per channel: the state holds the last N inputs, x_t[m] = x_(t-1)[m-1] + B[m] u_t, y_t = sum over m of C[m] x_t[m].</summary>
/// <remarks>It equals a causal filter with N taps f_j = sum over m of B[m] C[m + j]. B starts as e_1, so f = C, and is trained.
/// Published names <c>kernel.B</c> and <c>kernel.C</c>.</remarks>
public sealed class ShiftSsm : nn.Module
{
    [ComponentName(Name = "kernel")]
    private readonly ShiftParameters weights;

    /// <summary>Makes it with B = e_1 and C uniform within 1/sqrt(N).</summary>
    /// <param name="channelCount">Channels D.</param>
    /// <param name="stateDim">State size N.</param>
    /// <param name="factory">Makes the parameters.</param>
    public ShiftSsm(long channelCount, long stateDim, ParameterFactory factory)
        : base(nameof(ShiftSsm))
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentOutOfRangeException.ThrowIfLessThan(stateDim, 1);
        StateDim = stateDim;
        weights = new ShiftParameters(channelCount, stateDim, factory.AtLeastFloat32());
        RegisterComponents();
    }

    /// <summary>State size N.</summary>
    public long StateDim { get; }

    internal Tensor[] Parameters => [weights.Input, weights.Readout];

    /// <summary>The filter's taps f (D, N), differentiable; belongs to the caller's dispose scope.</summary>
    public Tensor Taps()
    {
        using var scope = NewDisposeScope();
        var latestFirst = FlashConv.Convolve(Channels(weights.Readout.squeeze(0).flip(1)), weights.Input);
        return latestFirst.view(-1, StateDim).flip(1).MoveToOuterDisposeScope(); // (D, N)
    }

    /// <summary>The kernel (D, length): the taps, cut or followed by zeros.</summary>
    public Tensor Kernel(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 1L << 30);
        using var scope = NewDisposeScope();
        return length <= StateDim
            ? Taps().narrow(1, 0, length).clone().MoveToOuterDisposeScope()
            : nn.functional.pad(Taps(), [0, length - StateDim]).MoveToOuterDisposeScope();
    }

    /// <summary>The published recurrent state from the last inputs: s[m] = sum over j of B[m - j] u_(t-j).</summary>
    /// <param name="recent">The last N inputs per channel, newest first: (B, D, N).</param>
    /// <returns>(B, D, N).</returns>
    public Tensor PublishedState(Tensor recent)
    {
        var check = NewCheck();
        check.Floating(recent, nameof(recent), "B D N");
        Shapes.CheckLike(recent, weights.Input, nameof(ShiftSsm));
        using var scope = NewDisposeScope();
        return FlashConv.Convolve(recent.unsqueeze(2), weights.Input).squeeze(2).MoveToOuterDisposeScope();
    }

    /// <summary>Runs along sequences from a state in the published form, s_t[m] = s_(t-1)[m-1] + B[m] u_t, y_t = sum over m of C[m] s_t[m].</summary>
    /// <param name="u">(B, D, L).</param>
    /// <param name="state">(B, D, N), or null for zero.</param>
    /// <returns>y (B, D, L) and the state after it (B, D, N), in the caller's dispose scope.</returns>
    public (Tensor Output, Tensor State) Run(Tensor u, Tensor? state = null)
    {
        var check = NewCheck();
        check.AnyFloating(u, nameof(u), "B D L");
        if (state is not null)
        {
            check.AnyFloating(state, nameof(state), "B D N");
            Shapes.CheckLike(state, weights.Input, $"{nameof(ShiftSsm)}'s state");
        }
        if (u.device_type != weights.Input.device_type)
            throw new ArgumentException($"{nameof(ShiftSsm)} lies on {weights.Input.device}; got u on {u.device}.", nameof(u));
        using var scope = NewDisposeScope();
        var (batch, width, length) = (u.size(0), u.size(1), u.size(2));
        if (length == 0)
            return (u.alias().MoveToOuterDisposeScope(), (state?.clone() ?? zeros([batch, width, StateDim], weights.Input.dtype, u.device)).MoveToOuterDisposeScope());
        var columns = u.to(weights.Input.dtype);
        // Inputs alone: y by the taps, the state by its published form of the last N inputs.
        var recent = nn.functional.pad(columns, [StateDim, 0]).narrow(2, length, StateDim).flip(2);
        var (y, after) = (FlashConv.Convolve(columns.unsqueeze(2), Taps()).squeeze(2), PublishedState(recent));
        if (state is not null)
        {
            // The old state moved down by t + 1 is read out by C: y_t += sum over m of C[m + t + 1] s[m].
            var moved = nn.functional.pad(state, [length, 0]);
            var readout = nn.functional.pad(weights.Readout.squeeze(0), [0, length]).unfold(1, StateDim, 1).narrow(1, 1, length); // (D, L, N)
            y = y + einsum("bdn,dln->bdl", state, readout);
            after = after + moved.narrow(2, 0, StateDim);
        }
        return (y.MoveToOuterDisposeScope(), after.MoveToOuterDisposeScope());
    }

    private TensorCheck NewCheck()
    {
        var check = new TensorCheck(nameof(ShiftSsm));
        check.Bind("D", weights.Input.size(-2));
        check.Bind("N", StateDim);
        return check;
    }

    private static Tensor Channels(Tensor rows) => rows.unsqueeze(0).unsqueeze(2); // (1, D, 1, N)
}

/// <summary>The trained vectors B and C of a shift state space.</summary>
internal sealed class ShiftParameters : nn.Module, IParameterHints
{
    [ComponentName(Name = "B")]
    private readonly Parameter input;   // (D, N)
    [ComponentName(Name = "C")]
    private readonly Parameter readout; // (1, D, N)

    internal ShiftParameters(long channelCount, long stateDim, ParameterFactory factory)
        : base(nameof(ShiftParameters))
    {
        var bound = 1 / Math.Sqrt(stateDim);
        input = factory.From(_ => nn.functional.pad(ones(channelCount, 1), [0, stateDim - 1]), channelCount, stateDim);
        readout = factory.Uniform(-bound, bound, 1, channelCount, stateDim);
        RegisterComponents();
    }

    internal Tensor Input => input;

    internal Tensor Readout => readout;

    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) =>
        parameterName == "B" ? new ParameterHint(MaxLearningRate: 1e-3, Decays: false) : null;
}
