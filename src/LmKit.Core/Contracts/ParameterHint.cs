namespace LmKit;

/// <summary>How one parameter departs from the default treatment in training.</summary>
/// <param name="LearningRateScale">Factor on the learning rate.</param>
/// <param name="MaxLearningRate">Upper bound of the peak learning rate, or null for none.</param>
/// <param name="Decays">Whether weight decay acts; null leaves it to the run's <see cref="DecayScope"/>.</param>
/// <param name="IsVector">Whether it counts among the vectors however many axes it has, as a table of embeddings does.</param>
public sealed record ParameterHint(double LearningRateScale = 1, double? MaxLearningRate = null, bool? Decays = null, bool IsVector = false);
