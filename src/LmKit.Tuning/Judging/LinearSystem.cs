namespace LmKit;

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
