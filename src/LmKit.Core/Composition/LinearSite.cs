namespace LmKit;

/// <summary>Where a linear map stands and what is asked of it.</summary>
/// <param name="Path">Its full component name, such as <c>layers.3.mixer.q_proj</c>.</param>
/// <param name="LayerIndex">The layer it stands in.</param>
/// <param name="InFeatures">Width of the input.</param>
/// <param name="OutFeatures">Width of the output.</param>
/// <param name="HasBias">Whether a bias is asked for.</param>
/// <param name="InitializerRange">Standard deviation for a dense weight's normal initialisation.</param>
/// <param name="Parameters">Makes the parameters.</param>
public sealed record LinearSite(
    string Path,
    int LayerIndex,
    long InFeatures,
    long OutFeatures,
    bool HasBias,
    double InitializerRange,
    ParameterFactory Parameters)
{
    /// <summary>The head's path. The head is no linear of a layer: only a component that names this path among its sites reaches it.</summary>
    public const string Head = "lm_head";

    /// <summary>Dropout that draws from the model's own generator, for what wraps a linear.</summary>
    /// <param name="rate">The probability of zeroing an entry.</param>
    public Dropout Dropout(double rate) => new(rate, Parameters.Random);

    /// <summary>Whether a site pattern names this site: the whole path or its last segments, with * for any one segment.</summary>
    /// <param name="pattern">Such as <c>q_proj</c>, <c>mlp.*</c> or <c>layers.0.mixer.q_proj</c>.</param>
    public bool Matches(string pattern)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(pattern);
        var wanted = pattern.Split('.');
        var have = Path.Split('.');
        return wanted.Length <= have.Length
            && wanted.Zip(have[^wanted.Length..]).All(pair => pair.First == "*" || pair.First == pair.Second);
    }
}
