using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Samples of any length from a network of one length: windows side by side, each seeing the last tokens of the one before.</summary>
/// <remarks>Each window takes <see cref="DiffusionSamplerOptions.StepCount"/> cached steps by time and then the most likely token where
/// one is still masked.</remarks>
public sealed class SemiAutoregressiveSampler : DiffusionSampler
{
    private const string Cache = "log_probabilities";

    private readonly SemiAutoregressiveSamplerOptions options;

    /// <summary>Makes the sampler.</summary>
    /// <param name="denoiser">The network; not disposed.</param>
    /// <param name="options">Windows and steps.</param>
    /// <param name="schedule">The schedule it was trained on; null for the log-linear one.</param>
    /// <exception cref="ArgumentException">The stride is longer than the window.</exception>
    public SemiAutoregressiveSampler(IDenoiser denoiser, SemiAutoregressiveSamplerOptions? options = null, NoiseSchedule? schedule = null)
        : base(denoiser, schedule, options ??= new SemiAutoregressiveSamplerOptions())
    {
        if (options.StrideLength > options.WindowLength)
            throw new ArgumentException($"{nameof(SemiAutoregressiveSamplerOptions)}.{nameof(options.StrideLength)} = {options.StrideLength} is longer than {nameof(options.WindowLength)} = {options.WindowLength}; columns between windows would stay masked.", nameof(options));
        this.options = (SemiAutoregressiveSamplerOptions)Options;
    }

    private protected override long Seen(long columns) => Math.Min(columns, options.WindowLength);

    /// <inheritdoc/>
    protected override int StepCount(DiffusionWalk walk, Tensor tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        var beyond = Math.Max(0, tokens.size(1) - options.WindowLength);
        return checked((int)(1 + (beyond + options.StrideLength - 1) / options.StrideLength) * options.StepCount);
    }

    /// <inheritdoc/>
    protected override Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        var (index, within) = (stepIndex / options.StepCount, stepIndex % options.StepCount);
        var start = Math.Min((long)index * options.StrideLength, tokens.size(1));
        var window = tokens.narrow(1, start, Math.Min(options.WindowLength, tokens.size(1) - start));
        if (within == 0)
            walk.Keep(Cache, null);
        var masked = MaskedPositions.Of(window, MaskId);
        if (masked.IsEmpty)
        {
            walk.Ledger.SavedForwards++;
            return tokens.alias();
        }
        var time = 1 - (double)within / options.StepCount;
        if (walk.Kept(Cache) is null)
        {
            walk.Ledger.DenoiserForwards++;
            walk.Keep(Cache, DenoiseRows(walk, window, masked.Index, time));
        }
        else
        {
            walk.Ledger.SavedForwards++;
        }
        // The last step of a window leaves the mask no weight.
        var next = Reveal(walk, window, masked, walk.Kept(Cache)!, 1 - time, within == options.StepCount - 1 ? 1 : 1 - time + 1.0 / options.StepCount);
        if (Denoiser.IsTimeConditioned || !next.eq(window).all().ToBoolean())
            walk.Keep(Cache, null);
        var result = tokens.clone();
        result.narrow(1, start, window.size(1)).copy_(next);
        return result;
    }
}
