namespace LmKit;

/// <summary>What a diagonal state space is made of.</summary>
/// <param name="StateDim">State size N (d_state), even: N/2 conjugate pairs are stored.</param>
/// <param name="Discretization">How it becomes a recurrence.</param>
/// <param name="Initialization">The initial state matrix.</param>
/// <param name="MinTimeStep">Lower end of the initial time steps (dt_min).</param>
/// <param name="MaxTimeStep">Upper end of the initial time steps (dt_max).</param>
public sealed record DiagonalSsmOptions(
    long StateDim = 64,
    Discretization Discretization = Discretization.Bilinear,
    DiagonalInitialization Initialization = DiagonalInitialization.Lin,
    double MinTimeStep = 1e-3,
    double MaxTimeStep = 0.1);
