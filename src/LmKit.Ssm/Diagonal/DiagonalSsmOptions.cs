namespace LmKit;

/// <summary>What a diagonal state space is made of.</summary>
/// <param name="StateDim">State size N (d_state), even: N/2 conjugate pairs are stored.</param>
/// <param name="Discretization">How it becomes a recurrence.</param>
/// <param name="Initialization">The initial state matrix.</param>
/// <param name="MinTimeStep">Lower end of the initial time steps (dt_min).</param>
/// <param name="MaxTimeStep">Upper end of the initial time steps (dt_max).</param>
/// <param name="MatrixCount">How many state matrices the heads share in turn (n_ssm); divides the heads. 0 stands for one each.</param>
/// <param name="RealPart">How Re A is trained (real_type).</param>
/// <param name="IsReal">Whether Im A is taken as zero (force_real).</param>
/// <param name="BandLimit">Silences states that turn by this many half turns a step or more (bandlimit); null for none.</param>
public sealed record DiagonalSsmOptions(
    long StateDim = 64,
    Discretization Discretization = Discretization.Bilinear,
    DiagonalInitialization Initialization = DiagonalInitialization.Lin,
    double MinTimeStep = 1e-3,
    double MaxTimeStep = 0.1,
    long MatrixCount = 0,
    RealPart RealPart = RealPart.Exp,
    bool IsReal = false,
    double? BandLimit = null)
{
    /// <summary>The options that it was made from, named in errors.</summary>
    internal string Owner { get; init; } = nameof(DiagonalSsmOptions);

    /// <summary>The number of state matrices for so many heads.</summary>
    /// <exception cref="ArgumentException">Sizes do not fit each other.</exception>
    internal long Check(long headCount)
    {
        if (StateDim < 2 || StateDim % 2 != 0)
            throw new ArgumentException($"{Owner}.{nameof(StateDim)} = {StateDim} must be even and at least 2: states come in conjugate pairs.");
        if (!(MinTimeStep > 0 && MinTimeStep <= MaxTimeStep && double.IsFinite(MaxTimeStep)))
            throw new ArgumentException(FormattableString.Invariant($"{Owner}.{nameof(MinTimeStep)} = {MinTimeStep} must be above 0 and at most {nameof(MaxTimeStep)} = {MaxTimeStep}, both finite."));
        if (MatrixCount < 0 || (MatrixCount > 0 && headCount % MatrixCount != 0))
            throw new ArgumentException($"{Owner}.{nameof(MatrixCount)} = {MatrixCount} does not divide the {headCount} heads that share the matrices.");
        var matrices = MatrixCount > 0 ? MatrixCount : headCount;
        if (Initialization == DiagonalInitialization.Mixed && matrices % 2 != 0)
            throw new ArgumentException($"{Owner}.{nameof(Initialization)} = {nameof(DiagonalInitialization.Mixed)} gives each half of the heads a matrix of its own; {matrices} heads cannot be halved.");
        if (BandLimit is not (null or (> 0 and < double.PositiveInfinity)))
            throw new ArgumentException(FormattableString.Invariant($"{Owner}.{nameof(BandLimit)} = {BandLimit} must be positive and finite; leave it out for no limit."));
        return matrices;
    }
}
