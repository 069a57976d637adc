namespace LmKit.InstructionTuning;

/// <summary>Whether the results of several seeds count as a reproduction.</summary>
/// <remarks>The specification takes three seeds and asks each window of every one. More seeds may miss one in five.</remarks>
public sealed class Reproduction
{
    private const int Fifths = 4;

    private Reproduction(IReadOnlyList<IReadOnlyList<ArmResult>> seeds)
    {
        Holding = [.. seeds.Where(arms => Window.All.All(window => window.Holds(arms))).Select(arms => arms[0].Seed)];
        Needed = ((Fifths * seeds.Count) + 4) / 5;
        MeanGood = seeds.Select(arms => arms.Single(arm => arm.Arm == DatasetArm.Teacher).Scores.Good).DefaultIfEmpty(0).Average();
        IsControlUnmoved = seeds.All(arms => Window.All.Where(window => window.Arm == DatasetArm.Original).All(window => window.Holds(arms)));
        IsReproduced = Needed > 0 && Holding.Count >= Needed && MeanGood >= Window.Good && IsControlUnmoved;
    }

    /// <summary>The seeds on which every window holds.</summary>
    public IReadOnlyList<long> Holding { get; }

    /// <summary>How many of them it takes: four in five, rounded up.</summary>
    public int Needed { get; }

    /// <summary>The mean of the teacher's good, to be at least <see cref="Window.Good"/>.</summary>
    public double MeanGood { get; }

    /// <summary>Whether the control's windows hold on every seed.</summary>
    public bool IsControlUnmoved { get; }

    /// <summary>Whether all of that holds.</summary>
    public bool IsReproduced { get; }

    /// <summary>Judges the arms of each seed, the base model among them.</summary>
    public static Reproduction Judge(IEnumerable<IReadOnlyList<ArmResult>> seeds) => new([.. seeds]);

    /// <summary>Judges a recipe.</summary>
    public static Reproduction Judge(IEnumerable<SeedResult> seeds, TuningRecipe recipe) => Judge(seeds.Select(seed => seed.Of(recipe)));
}
