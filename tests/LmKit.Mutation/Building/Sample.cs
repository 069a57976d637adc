using System.Globalization;

namespace LmKit.Mutation;

/// <summary>Changes drawn in an order that a seed fixes.</summary>
/// <param name="seed">The seed.</param>
/// <param name="count">How many are wanted.</param>
/// <param name="all">Every change that could be made.</param>
internal sealed class Sample(long seed, int count, IReadOnlyList<Mutant> all)
{
    private readonly Queue<Mutant> waiting = new(Shuffled(seed, all));

    internal long Seed => seed;

    internal int Count => count;

    /// <summary>The changes of the sample, in its order.</summary>
    internal List<Mutant> Taken { get; } = [];

    /// <summary>Samples from text such as <c>1:200,2:60</c>.</summary>
    internal static IReadOnlyList<Sample> Parse(string text, IReadOnlyList<Mutant> all) =>
        [.. text.Split(',').Select(part => part.Split(':') is [var seed, var count]
            ? new Sample(long.Parse(seed, CultureInfo.InvariantCulture), int.Parse(count, CultureInfo.InvariantCulture), all)
            : throw new ArgumentException($"--sample takes SEED:COUNT,...; got '{part}'."))];

    /// <summary>Takes changes until there are enough.</summary>
    internal void Fill()
    {
        while (Taken.Count < count && waiting.Count > 0)
            Taken.Add(waiting.Dequeue());
    }

    private static Mutant[] Shuffled(long seed, IReadOnlyList<Mutant> all)
    {
        Mutant[] order = [.. all];
        new Random((int)seed).Shuffle(order);
        return order;
    }
}
