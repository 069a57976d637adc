namespace LmKit;

/// <summary>A question whose answers are judged.</summary>
/// <param name="Id">Its name, which must differ between questions.</param>
/// <param name="Text">The question.</param>
/// <param name="Category">What it belongs to, for scores by category; empty for none.</param>
/// <param name="Reference">A right answer for the judge to compare with, or null.</param>
public sealed record JudgeQuestion(string Id, string Text, string Category = "", string? Reference = null);
