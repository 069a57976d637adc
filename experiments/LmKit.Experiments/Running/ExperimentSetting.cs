namespace LmKit.Experiments;

/// <summary>How one run is done.</summary>
/// <param name="Seed">Seed of everything random.</param>
/// <param name="IsToy">Whether the run only shows that everything works, in seconds; its figures mean nothing.</param>
/// <param name="Progress">Takes a line now and then.</param>
internal sealed record ExperimentSetting(int Seed, bool IsToy, IProgress<string> Progress);
