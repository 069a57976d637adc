namespace LmKit;

/// <summary>Comparisons of two models with one outcome.</summary>
/// <param name="First">The first model's index.</param>
/// <param name="Second">The second model's index.</param>
/// <param name="Outcome">1 when the first won, 0 when the second did, 1/2 for a tie.</param>
/// <param name="Count">How many times.</param>
public readonly record struct Battle(int First, int Second, double Outcome, double Count = 1);
