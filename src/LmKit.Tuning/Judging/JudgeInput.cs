using System.Text.Json;

namespace LmKit;

/// <summary>A question whose answers are judged.</summary>
/// <param name="Id">Its name, which must differ between questions.</param>
/// <param name="Text">The question.</param>
/// <param name="Category">What it belongs to, for scores by category; empty for none.</param>
/// <param name="Reference">A right answer for the judge to compare with, or null.</param>
public sealed record JudgeQuestion(string Id, string Text, string Category = "", string? Reference = null);

/// <summary>One model's answers.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Answers">The answers by the questions' names; a question without one is left out.</param>
public sealed record ModelAnswers(string Model, IReadOnlyDictionary<string, string> Answers);

/// <summary>What every judge run checks before, and writes after.</summary>
internal static class JudgeInput
{
    internal static void Check(IReadOnlyList<JudgeQuestion> questions, IReadOnlyList<ModelAnswers> models, int leastModels)
    {
        ArgumentNullException.ThrowIfNull(questions);
        ArgumentNullException.ThrowIfNull(models);
        if (models.Count < leastModels)
            throw new ArgumentException($"There are {models.Count} models; {leastModels} are needed.", nameof(models));
        Unique(questions.Select(question => question.Id), nameof(questions));
        Unique(models.Select(model => model.Model), nameof(models));
        if (!questions.Any(question => models.Count(model => model.Answers.ContainsKey(question.Id)) >= leastModels))
            throw new ArgumentException("No question is answered by enough models; check the questions' names in the answers.", nameof(models));
    }

    internal static IReadOnlyDictionary<string, double> MeanLengths(IReadOnlyList<ModelAnswers> models) =>
        models.ToDictionary(model => model.Model, model => model.Answers.Values.Select(answer => (double)answer.Length).DefaultIfEmpty(0).Average());

    internal static void Write<TReport>(string folder, string name, TReport report) =>
        AtomicFile.WriteText(Path.Combine(folder, name), JsonSerializer.Serialize(report, JournalJson.Indented) + "\n");

    private static void Unique(IEnumerable<string> names, string parameter)
    {
        if (names.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ArgumentException($"'{twice.Key}' is there twice; names must differ.", parameter);
    }
}
