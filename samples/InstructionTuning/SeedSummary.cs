namespace LmKit.InstructionTuning;

/// <summary>What is told of a seed's run beside its arms.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Elapsed">Time of the whole run.</param>
/// <param name="ExampleCount">Examples of the data set.</param>
/// <param name="Ratings">How the judge rates the arms.</param>
public sealed record SeedSummary(long Seed, TimeSpan Elapsed, long ExampleCount, PairwiseReport Ratings);
