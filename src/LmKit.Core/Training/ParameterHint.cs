namespace LmKit;

/// <summary>How one parameter departs from the default treatment in training.</summary>
/// <param name="LearningRateScale">Factor on the learning rate.</param>
/// <param name="MaxLearningRate">Upper bound of the peak learning rate, or null for none.</param>
/// <param name="Decays">Whether weight decay acts; null for the default (matrices decay, vectors, norms and embeddings do not).</param>
public sealed record ParameterHint(double LearningRateScale = 1, double? MaxLearningRate = null, bool? Decays = null);
