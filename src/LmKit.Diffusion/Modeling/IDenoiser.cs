using static TorchSharp.torch;

namespace LmKit;

/// <summary>A denoiser: tokens (B, L) int64 with masks and noise levels (B) to log-probabilities (B, L, V) of the clean tokens.</summary>
/// <remarks>
/// <para>The level is what the network was trained on: sigma(t) for each row, the t of the change of variables where
/// <see cref="Scale"/> says so; a denoiser without time conditioning ignores it. Log-probabilities are those of <see cref="SubsParameterization"/>: the mask has
/// probability zero and revealed positions are one-hot.</para>
/// <para>Calls may run side by side on different threads while nobody trains it. The result belongs to the caller's dispose
/// scope.</para>
/// </remarks>
public interface IDenoiser : nn.IModule<Tensor, Tensor, Tensor>
{
    /// <summary>Vocabulary size V, the mask included.</summary>
    long VocabSize { get; }

    /// <summary>Token id of the mask.</summary>
    long MaskId { get; }

    /// <summary>Whether the level changes the result; otherwise equal tokens may share one call.</summary>
    bool IsTimeConditioned { get; }

    /// <summary>The scale of the level, in training and sampling; the total noise unless a denoiser says otherwise. One that wraps another
    /// hands it on.</summary>
    LevelScale Scale => LevelScale.TotalNoise;

    /// <summary>This denoiser with activations of its network edited in every call, row by row and behind the edits it has; it shares everything else.
    /// Samplers ask for it: hand them the denoiser itself, and the edits in the request.</summary>
    /// <exception cref="NotSupportedException">Its network has no hook points, as is the case unless it says otherwise.</exception>
    /// <exception cref="ArgumentException">A point is not there; names those that are.</exception>
    IDenoiser Edited(HookEdits edits)
    {
        ArgumentNullException.ThrowIfNull(edits);
        throw new NotSupportedException($"{GetType().Name} has no hook points, so edits at {string.Join(", ", edits.Points)} have no place; leave them out.");
    }
}

/// <summary>A denoiser in two halves, so that a loss or a sampler pays for the vocabulary only at positions it needs.</summary>
/// <remarks>At masked positions <c>call(tokens, level)</c> equals <see cref="LogProbabilities"/> of <see cref="Hidden"/>.</remarks>
public interface ISplitDenoiser : IDenoiser
{
    /// <summary>Final hidden states (B, L, D), conditioning included.</summary>
    Tensor Hidden(Tensor tokens, Tensor level);

    /// <summary>Log-probabilities (R, V) of hidden states (R, D) at masked positions.</summary>
    Tensor LogProbabilities(Tensor rows);
}

/// <summary>A denoiser that also gives what its network puts out, before the parameterization.</summary>
public interface IRawDenoiser : IDenoiser
{
    /// <summary>The network's logits (B, L, V), under the level that is given, time-conditioned or not.</summary>
    Tensor RawLogits(Tensor tokens, Tensor level);
}
