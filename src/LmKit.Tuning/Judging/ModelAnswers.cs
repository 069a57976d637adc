namespace LmKit;

/// <summary>One model's answers.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Answers">The answers by the questions' names; a question without one is left out.</param>
public sealed record ModelAnswers(string Model, IReadOnlyDictionary<string, string> Answers);
