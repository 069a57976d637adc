using static TorchSharp.torch;

namespace LmKit;

/// <summary>Rotary positions whose frequencies depend on the length of the text: a <see cref="RotaryEmbedding"/> for each length.</summary>
internal sealed class LengthScaledRotary : PositionEncoding
{
    private readonly RotaryScaling scaling;
    private readonly long rotaryDim;
    private readonly double wavelength;
    private readonly bool isInterleaved;
    private readonly RotaryEmbedding trained;
    private RotaryEmbedding longer; // the last that was made beyond the border

    internal LengthScaledRotary(RotaryScaling scaling, long rotaryDim, double wavelength, bool isInterleaved)
    {
        (this.scaling, this.rotaryDim, this.wavelength, this.isInterleaved) = (scaling, rotaryDim, wavelength, isInterleaved);
        trained = new RotaryEmbedding(scaling.Frequencies(rotaryDim, wavelength, 1), isInterleaved);
        longer = new RotaryEmbedding(scaling.Frequencies(rotaryDim, wavelength, scaling.Border!.Value + 1), isInterleaved);
    }

    /// <inheritdoc/>
    public override long? TrainedLength => scaling.Border;

    /// <inheritdoc/>
    public override bool TurnsKeys => true;

    /// <inheritdoc/>
    public override bool IsBiasFree => true;

    /// <inheritdoc/>
    public override PositionEncoding ForLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length <= TrainedLength)
            return trained;
        var turns = scaling.Frequencies(rotaryDim, wavelength, length);
        var last = Volatile.Read(ref longer);
        if (last.Turns.Equals(turns))
            return last;
        var made = new RotaryEmbedding(turns, isInterleaved);
        Volatile.Write(ref longer, made);
        return made;
    }

    /// <inheritdoc/>
    public override Tensor EncodeQueries(Tensor queries, Tensor positions) => throw NoLength();

    /// <inheritdoc/>
    public override Tensor EncodeKeys(Tensor keys, Tensor positions) => throw NoLength();

    /// <inheritdoc/>
    public override Tensor DecodeKeys(Tensor keys, Tensor positions) => throw NoLength();

    /// <summary>Names the scaling.</summary>
    public override string ToString() => $"rotary positions with {scaling.GetType().Name}";

    private InvalidOperationException NoLength() => new($"The angles of {this} depend on the length of the text; ask {nameof(ForLength)} for the encoding of a length.");
}
