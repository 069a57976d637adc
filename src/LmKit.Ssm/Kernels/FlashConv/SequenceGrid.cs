using static TorchSharp.torch;

namespace LmKit;

/// <summary>Where the sequences of a fused convolution lie in memory.</summary>
/// <remarks>(B, H, P, L): a channel's sequences are dense. (B, L, H): neighbouring channels lie side by side and are taken a vector at a time.</remarks>
internal readonly struct SequenceGrid
{
    private readonly long pairs;

    internal SequenceGrid(Tensor sequences)
    {
        IsChannelsLast = sequences.dim() == 3;
        pairs = IsChannelsLast ? 1 : sequences.size(2);
        Rows = sequences.size(0) * pairs;
        Channels = sequences.size(IsChannelsLast ? 2 : 1);
        Length = sequences.size(IsChannelsLast ? 1 : 3);
    }

    /// <summary>Whether samples of one channel are <see cref="Channels"/> apart.</summary>
    internal bool IsChannelsLast { get; }

    /// <summary>H.</summary>
    internal long Channels { get; }

    /// <summary>Sequences of a channel, B P.</summary>
    internal long Rows { get; }

    /// <summary>L.</summary>
    internal long Length { get; }

    /// <summary>From a sample to the next.</summary>
    internal long Step => IsChannelsLast ? Channels : 1;

    /// <summary>Where a sample of a channel's sequence lies.</summary>
    internal long Offset(long row, long channel, long sample)
    {
        if (IsChannelsLast)
            return (row * Length + sample) * Channels + channel;
        var (batch, pair) = Math.DivRem(row, pairs);
        return ((batch * Channels + channel) * pairs + pair) * Length + sample;
    }
}
