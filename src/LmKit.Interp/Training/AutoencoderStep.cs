namespace LmKit;

/// <summary>What one training step of an autoencoder came to.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Loss">The loss.</param>
/// <param name="Terms">Its terms, weights included.</param>
/// <param name="ActiveCount">Codes above 0 in a row, on average (L0).</param>
/// <param name="DeadCount">Dead features.</param>
/// <param name="LearningRate">The rate used.</param>
public sealed record AutoencoderStep(long Step, double Loss, IReadOnlyDictionary<string, double> Terms, double ActiveCount, long DeadCount, double LearningRate);
