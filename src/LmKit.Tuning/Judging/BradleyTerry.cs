namespace LmKit;

/// <summary>Maximum-likelihood ratings from pairwise outcomes (Bradley and Terry 1952), by damped Newton.</summary>
/// <remarks>Minimises the sum of -y ln p - (1 - y) ln(1 - p) over battles, p = sigmoid(ln 10 (r_i - r_j)), plus (l2/2) |r|^2. Without a
/// penalty a finite maximum exists only if every model is connected to every other by wins or ties both ways; that is checked.</remarks>
public static class BradleyTerry
{
    private const double FallbackPenalty = 0.01;
    private const double StepTolerance = 1e-12;
    private const int MostSteps = 200;
    private static readonly double Alpha = Math.Log(10);

    /// <summary>Fits ratings.</summary>
    /// <param name="battles">The outcomes.</param>
    /// <param name="modelCount">How many models there are.</param>
    /// <param name="l2">Weight of the penalty; 0 for none, unless the outcomes need one.</param>
    public static Ratings Fit(IEnumerable<Battle> battles, int modelCount, double l2 = 0)
    {
        ArgumentNullException.ThrowIfNull(battles);
        ArgumentOutOfRangeException.ThrowIfLessThan(modelCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(modelCount, 1 << 14);
        ArgumentOutOfRangeException.ThrowIfNegative(l2);
        var grouped = Grouped(battles, modelCount);
        var isRegularized = l2 == 0 && !IsConnected(grouped, modelCount);
        var penalty = isRegularized ? FallbackPenalty : l2;
        var r = new double[modelCount];
        var loss = Loss(grouped, r, penalty);
        var steps = 0;
        for (var isDone = false; !isDone && steps < MostSteps; steps++)
        {
            var (gradient, hessian) = Derivatives(grouped, r, penalty);
            var step = LinearSystem.Solve(hessian, gradient);
            isDone = step.Max(Math.Abs) < StepTolerance;
            var scale = 1.0;
            double[] next;
            double after;
            do
            {
                next = [.. r.Zip(step, (value, change) => value - scale * change)];
                after = Loss(grouped, next, penalty);
                scale /= 2;
            }
            while (after > loss + 1e-12 * Math.Abs(loss) && scale > 1e-10);
            (r, loss) = (next, after);
        }
        var mean = r.Average();
        return new Ratings([.. r.Select(value => value - mean)], isRegularized, steps);
    }

    /// <summary>Ratings updated after each battle in turn, as chess has them; depends on the order, so a diagnostic only.</summary>
    /// <param name="battles">The outcomes in order.</param>
    /// <param name="modelCount">How many models there are.</param>
    /// <param name="k">The largest change of one battle.</param>
    public static IReadOnlyList<double> OnlineElo(IEnumerable<Battle> battles, int modelCount, double k = 4)
    {
        ArgumentNullException.ThrowIfNull(battles);
        ArgumentOutOfRangeException.ThrowIfNegative(modelCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(modelCount, 1 << 24);
        if (!double.IsFinite(k))
            throw new ArgumentOutOfRangeException(nameof(k), k, "The largest change of one battle is a finite number.");
        var ratings = Enumerable.Repeat(1000.0, modelCount).ToArray();
        foreach (var (first, second, outcome, _) in battles)
        {
            if (first < 0 || first >= modelCount || second < 0 || second >= modelCount)
                throw new ArgumentException($"A battle of models {first} and {second} needs indices from 0 to {modelCount - 1}.", nameof(battles));
            var expected = 1 / (1 + Math.Pow(10, (ratings[second] - ratings[first]) / 400));
            ratings[first] += k * (outcome - expected);
            ratings[second] -= k * (outcome - expected);
        }
        return ratings;
    }

    private static Battle[] Grouped(IEnumerable<Battle> battles, int modelCount)
    {
        var counts = new Dictionary<(int, int, double), double>();
        foreach (var battle in battles)
        {
            if (battle.First < 0 || battle.First >= modelCount || battle.Second < 0 || battle.Second >= modelCount || battle.First == battle.Second)
                throw new ArgumentException($"A battle of models {battle.First} and {battle.Second}; there are {modelCount}, and none meets itself.", nameof(battles));
            if (battle.Outcome is not (>= 0 and <= 1) || battle.Count is not (>= 0 and < double.PositiveInfinity))
                throw new ArgumentException($"A battle of outcome {battle.Outcome} and count {battle.Count}; outcomes are in [0, 1].", nameof(battles));
            var key = (battle.First, battle.Second, battle.Outcome);
            counts[key] = counts.GetValueOrDefault(key) + battle.Count;
        }
        return [.. counts.Where(pair => pair.Value > 0).Select(pair => new Battle(pair.Key.Item1, pair.Key.Item2, pair.Key.Item3, pair.Value))];
    }

    private static double Loss(Battle[] battles, double[] r, double l2)
    {
        var loss = l2 / 2 * r.Sum(value => value * value);
        foreach (var (first, second, outcome, count) in battles)
        {
            var logit = Alpha * (r[first] - r[second]);
            loss += count * (Math.Max(logit, 0) - logit * outcome + Math.Log(1 + Math.Exp(-Math.Abs(logit))));
        }
        return loss;
    }

    private static (double[] Gradient, double[,] Hessian) Derivatives(Battle[] battles, double[] r, double l2)
    {
        var n = r.Length;
        var (gradient, hessian) = (r.Select(value => l2 * value).ToArray(), new double[n, n]);
        foreach (var (first, second, outcome, count) in battles)
        {
            var p = 1 / (1 + Math.Exp(-Alpha * (r[first] - r[second])));
            var slope = count * Alpha * (p - outcome);
            var weight = count * Alpha * Alpha * p * (1 - p);
            gradient[first] += slope;
            gradient[second] -= slope;
            hessian[first, first] += weight;
            hessian[second, second] += weight;
            hessian[first, second] -= weight;
            hessian[second, first] -= weight;
        }
        for (var i = 0; i < n; i++)
        {
            hessian[i, i] += l2;
            for (var j = 0; j < n && l2 == 0; j++)
                hessian[i, j] += 1.0 / n; // fixes the mean, which the battles leave open
        }
        return (gradient, hessian);
    }

    // From model 0 every model is reached along "beats or ties", and along "loses or ties".
    private static bool IsConnected(Battle[] battles, int modelCount)
    {
        foreach (var isReversed in new[] { false, true })
        {
            var next = battles.SelectMany(Edges).Select(edge => isReversed ? (From: edge.To, To: edge.From) : edge).ToLookup(edge => edge.From, edge => edge.To);
            var (seen, waiting) = (new HashSet<int> { 0 }, new Queue<int>([0]));
            while (waiting.TryDequeue(out var model))
            {
                foreach (var other in next[model].Where(seen.Add))
                    waiting.Enqueue(other);
            }
            if (seen.Count < modelCount)
                return false;
        }
        return true;

        static IEnumerable<(int From, int To)> Edges(Battle battle)
        {
            if (battle.Outcome > 0)
                yield return (battle.First, battle.Second);
            if (battle.Outcome < 1)
                yield return (battle.Second, battle.First);
        }
    }
}

/// <summary>Comparisons of two models with one outcome.</summary>
/// <param name="First">The first model's index.</param>
/// <param name="Second">The second model's index.</param>
/// <param name="Outcome">1 when the first won, 0 when the second did, 1/2 for a tie.</param>
/// <param name="Count">How many times.</param>
public readonly record struct Battle(int First, int Second, double Outcome, double Count = 1);

/// <summary>Fitted ratings r with P(i beats j) = 1 / (1 + 10^(r_j - r_i)).</summary>
/// <param name="Natural">One for each model, mean 0.</param>
/// <param name="IsRegularized">Whether a penalty was needed since some models never lost to, or never beat, the others.</param>
/// <param name="Iterations">Newton steps taken.</param>
public sealed record Ratings(IReadOnlyList<double> Natural, bool IsRegularized, int Iterations)
{
    /// <summary>On the Elo scale: 1000 + 400 r.</summary>
    public IReadOnlyList<double> Elo => [.. Natural.Select(rating => 1000 + 400 * rating)];

    /// <summary>On the Elo scale, shifted so that one model has a given rating.</summary>
    public IReadOnlyList<double> Anchored(int model, double rating) => [.. Natural.Select(other => rating + 400 * (other - Natural[model]))];

    /// <summary>The probability that one model beats another.</summary>
    public double WinRate(int model, int other) => 1 / (1 + Math.Pow(10, Natural[other] - Natural[model]));
}

/// <summary>Small dense linear systems.</summary>
internal static class LinearSystem
{
    /// <summary>Solves H x = g by elimination with pivots; both are overwritten.</summary>
    internal static double[] Solve(double[,] H, double[] g)
    {
        var n = g.Length;
        for (var column = 0; column < n; column++)
        {
            var pivot = Enumerable.Range(column, n - column).MaxBy(row => Math.Abs(H[row, column]));
            for (var j = column; j < n && pivot != column; j++)
                (H[column, j], H[pivot, j]) = (H[pivot, j], H[column, j]);
            (g[column], g[pivot]) = (g[pivot], g[column]);
            for (var row = column + 1; row < n; row++)
            {
                var factor = H[column, column] == 0 ? 0 : H[row, column] / H[column, column];
                for (var j = column; j < n && factor != 0; j++)
                    H[row, j] -= factor * H[column, j];
                g[row] -= factor * g[column];
            }
        }
        for (var row = n - 1; row >= 0; row--)
        {
            for (var j = row + 1; j < n; j++)
                g[row] -= H[row, j] * g[j];
            g[row] = H[row, row] == 0 ? 0 : g[row] / H[row, row];
        }
        return g;
    }
}
