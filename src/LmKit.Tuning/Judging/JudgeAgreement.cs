namespace LmKit;

/// <summary>How far two judges agree beyond chance: Cohen's kappa (1960).</summary>
public static class JudgeAgreement
{
    /// <summary>kappa = (observed - expected) / (1 - expected) over paired labels; 1 where both always give the same single label.</summary>
    /// <param name="first">The first judge's labels.</param>
    /// <param name="second">The second's, in the same order.</param>
    /// <exception cref="ArgumentException">There is no label, or not as many of both.</exception>
    public static double Kappa(IReadOnlyList<string> first, IReadOnlyList<string> second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Count == 0 || first.Count != second.Count)
            throw new ArgumentException($"There are {first.Count} and {second.Count} labels; as many of both are needed, and at least one.", nameof(second));
        double count = first.Count;
        var observed = first.Zip(second).Count(pair => pair.First == pair.Second) / count;
        var expected = first.Concat(second).Distinct().Sum(label => first.Count(one => one == label) / count * (second.Count(one => one == label) / count));
        return expected >= 1 ? 1 : (observed - expected) / (1 - expected);
    }

    /// <summary>kappa of two judges' verdicts over the calls that both judged validly.</summary>
    /// <param name="first">One judge's judgments.</param>
    /// <param name="second">The other's.</param>
    public static double Kappa(IEnumerable<Judgment> first, IEnumerable<Judgment> second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var others = second.Where(judgment => judgment.Verdict is not null).ToDictionary(Place, judgment => judgment.Verdict!);
        var both = first.Where(judgment => judgment.Verdict is not null && others.ContainsKey(Place(judgment))).ToArray();
        return Kappa([.. both.Select(judgment => judgment.Verdict!)], [.. both.Select(judgment => others[Place(judgment)])]);

        static (string, string, string) Place(Judgment judgment) => (judgment.Question, judgment.ModelA, judgment.ModelB);
    }
}
