namespace LmKit;

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum LearningRateShape
{
    /// <summary>Half a cosine from the peak to the floor.</summary>
    Cosine,

    /// <summary>Several half cosines one after another, each from the peak to the floor.</summary>
    CosineRestarts,

    /// <summary>A line from the peak to the floor.</summary>
    Linear,

    /// <summary>The peak throughout.</summary>
    Constant,
}
