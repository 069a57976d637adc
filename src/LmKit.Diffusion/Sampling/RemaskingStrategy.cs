namespace LmKit;

/// <summary>How much a remasking step takes back.</summary>
public enum RemaskingStrategy
{
    /// <summary>sigma = min(eta, (1 - alpha_s) / alpha_t).</summary>
    Cap,

    /// <summary>sigma = eta min(1, (1 - alpha_s) / alpha_t).</summary>
    Rescale,

    /// <summary>The share min(1, (1 - alpha_s) / alpha_t) is spread over positions by how unsure the network was of each.</summary>
    Confidence,

    /// <summary>Plain steps up to a share of clean tokens, then remasking at that share, then plain steps to the end.</summary>
    Loop,

    /// <summary>Forward-backward: sigma = (alpha_s - alpha_t) / alpha_t, at most min(1, (1 - alpha_s) / alpha_t). As much noise is put back
    /// as a step of the forward process adds; eta is not used.</summary>
    ForwardBackward,
}
