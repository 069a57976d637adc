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
    /// <remarks><see cref="Judgment.ReadAll"/> reads them. A label is a verdict as it was given (A&gt;&gt;B to B&gt;&gt;A).</remarks>
    /// <exception cref="ArgumentException">There is no call that both judged validly.</exception>
    public static double Kappa(IEnumerable<Judgment> first, IEnumerable<Judgment> second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var (one, other) = (Verdicts(first), Verdicts(second));
        (string, string, string)[] both = [.. one.Keys.Where(other.ContainsKey)];
        return Kappa([.. both.Select(place => one[place])], [.. both.Select(place => other[place])]);

        // Of judgments of the same call, the last one holds.
        static OrderedDictionary<(string, string, string), string> Verdicts(IEnumerable<Judgment> judgments)
        {
            var verdicts = new OrderedDictionary<(string, string, string), string>();
            foreach (var judgment in judgments.Where(judgment => judgment.Verdict is not null))
                verdicts[Place(judgment)] = judgment.Verdict!;
            return verdicts;
        }

        static (string, string, string) Place(Judgment judgment) => (judgment.Question, judgment.ModelA, judgment.ModelB);
    }
}
