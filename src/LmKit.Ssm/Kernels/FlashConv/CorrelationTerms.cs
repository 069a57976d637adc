namespace LmKit;

/// <summary>What a gradient's spectrum G meets on its way: sum += G conj(U), while G becomes G conj(K).</summary>
/// <param name="first">Where the transform's real parts begin.</param>
/// <param name="re">Real parts of U, the input's spectrum.</param>
/// <param name="im">Imaginary parts of U.</param>
/// <param name="sumRe">Real parts of the sum.</param>
/// <param name="sumIm">Imaginary parts of the sum.</param>
internal readonly unsafe struct CorrelationTerms(float* first, float* re, float* im, float* sumRe, float* sumIm)
{
    internal float* First { get; } = first;

    internal float* Re { get; } = re;

    internal float* Im { get; } = im;

    internal float* SumRe { get; } = sumRe;

    internal float* SumIm { get; } = sumIm;
}
