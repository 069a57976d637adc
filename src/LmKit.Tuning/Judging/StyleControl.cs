namespace LmKit;

/// <summary>Bradley-Terry ratings beside coefficients of style features, so that length and markup do not pass for quality.</summary>
/// <remarks>logit = ln 10 (r_i - r_j) + f gamma, with the penalty (l2/2)(|r|^2 + |gamma|^2).</remarks>
public static class StyleControl
{
    private const int MostSteps = 200;
    private static readonly double Alpha = Math.Log(10);

    /// <summary>Fits ratings and coefficients.</summary>
    /// <param name="battles">The outcomes.</param>
    /// <param name="features">For each battle its features, standardised.</param>
    /// <param name="modelCount">How many models there are.</param>
    /// <param name="l2">Weight of the penalty. Default 1/2.</param>
    /// <returns>Ratings, and the coefficients.</returns>
    public static (IReadOnlyList<double> Ratings, IReadOnlyList<double> Coefficients) Fit(
        IReadOnlyList<Battle> battles, IReadOnlyList<IReadOnlyList<double>> features, int modelCount, double l2 = 0.5)
    {
        ArgumentNullException.ThrowIfNull(battles);
        ArgumentNullException.ThrowIfNull(features);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(l2);
        if (battles.Count != features.Count)
            throw new ArgumentException($"{battles.Count} battles have {features.Count} rows of features.", nameof(features));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(modelCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(modelCount, 1 << 14);
        for (var index = 0; index < battles.Count; index++)
        {
            if (battles[index].First < 0 || battles[index].First >= modelCount || battles[index].Second < 0 || battles[index].Second >= modelCount)
                throw new ArgumentException($"Battle {index} of models {battles[index].First} and {battles[index].Second} needs indices from 0 to {modelCount - 1}.", nameof(battles));
            if (features[index].Count != features[0].Count || !features[index].All(double.IsFinite))
                throw new ArgumentException($"Battle {index} needs {features[0].Count} finite features, as the first has; got [{string.Join(", ", features[index])}].", nameof(features));
        }
        var size = modelCount + (features.Count == 0 ? 0 : features[0].Count);
        var parameters = new double[size];
        for (var step = 0; step < MostSteps; step++)
        {
            var (gradient, hessian) = (parameters.Select(value => l2 * value).ToArray(), new double[size, size]);
            for (var i = 0; i < size; i++)
                hessian[i, i] = l2;
            for (var index = 0; index < battles.Count; index++)
                Add(battles[index], Row(battles[index], features[index]), parameters, gradient, hessian);
            var change = LinearSystem.Solve(hessian, gradient);
            var largest = change.Max(Math.Abs);
            var damping = Math.Min(1, 1 / largest);
            for (var i = 0; i < size; i++)
                parameters[i] -= damping * change[i];
            if (largest < 1e-12)
                break;
        }
        return (parameters[..modelCount], parameters[modelCount..]);

        List<(int Place, double Value)> Row(Battle battle, IReadOnlyList<double> given) =>
            [(battle.First, Alpha), (battle.Second, -Alpha), .. given.Select((value, index) => (modelCount + index, value))];
    }

    private static void Add(Battle battle, List<(int Place, double Value)> row, double[] parameters, double[] gradient, double[,] hessian)
    {
        var p = 1 / (1 + Math.Exp(-row.Sum(entry => entry.Value * parameters[entry.Place])));
        foreach (var (place, value) in row)
        {
            gradient[place] += battle.Count * (p - battle.Outcome) * value;
            foreach (var (other, factor) in row)
                hessian[place, other] += battle.Count * p * (1 - p) * value * factor;
        }
    }
}
