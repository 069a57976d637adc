namespace LmKit.DiffusionText;

/// <summary>What counts as reproduced.</summary>
internal static class Windows
{
    internal const double LongestMinutes = 10;

    /// <summary>Two standard errors of the difference of two mean entropies over 2048 samples each.</summary>
    private const double EntropyNoise = 0.01;

    internal static IEnumerable<Window> OfTeacher(QualityCurve teacher) =>
    [
        new("teacher, perplexity at 1 step", teacher.At(1).Perplexity!.Value, 50, 60),
        new("teacher, perplexity at 8 steps", teacher.At(8).Perplexity!.Value, 3.90, 4.20),
        new("teacher, perplexity at 64 steps", teacher.At(64).Perplexity!.Value, 3.03, 3.19),
        new("teacher, entropy at 8 steps", teacher.At(8).Entropy, 1.71, 1.75),
    ];

    internal static IEnumerable<Window> OfStudent(QualityCurve student) =>
    [
        new($"{student.Name}, perplexity at 8 steps", student.At(8).Perplexity!.Value, High: 3.15),
        new($"{student.Name}, entropy at 8 steps", student.At(8).Entropy, Low: 1.67),
        new($"{student.Name}, JS3 at 8 steps", student.At(8).Divergence, High: 0.037),
    ];

    internal static IEnumerable<Window> OfReranking(QualityCurve reranked, QualityCurve student) =>
    [
        new($"{reranked.Name}, perplexity at 8 steps", reranked.At(8).Perplexity!.Value, High: 2.95),
        new($"{reranked.Name}, entropy at 8 steps", reranked.At(8).Entropy, Low: student.At(8).Entropy - EntropyNoise),
    ];

    internal static Window OfAblation(QualityCurve oneStep) => new($"{oneStep.Name}, entropy at 8 steps (collapses)", oneStep.At(8).Entropy, High: 1.60);

    internal static IEnumerable<Window> OfAuxiliary(QualityCurve auxiliary) =>
    [
        new($"{auxiliary.Name}, perplexity at 8 steps", auxiliary.At(8).Perplexity!.Value, High: 3.4),
        new($"{auxiliary.Name}, JS3 at 16 steps", auxiliary.At(16).Divergence, High: 0.015),
        new($"{auxiliary.Name}, entropy at 16 steps", auxiliary.At(16).Entropy, Low: 1.70),
    ];
}
