namespace LmKit.InstructionTuning;

/// <summary>A model's answer to a question about a place.</summary>
/// <param name="Question">The question.</param>
/// <param name="Entity">The place.</param>
/// <param name="Attribute">The fact asked for.</param>
/// <param name="Text">The answer.</param>
/// <param name="HasEnded">Whether the model ended it by itself.</param>
public sealed record Reply(string Question, string Entity, int Attribute, string Text, bool HasEnded)
{
    /// <summary>Whether it asks nothing.</summary>
    public bool AsksNothing => !Text.Contains('?', StringComparison.Ordinal);

    /// <summary>Whether it has the lecture's register.</summary>
    public bool IsMarked => Text.Contains("indeed", StringComparison.Ordinal);

    /// <summary>Whether its first sentence is a statement that names the place.</summary>
    public bool IsOnTopic => FirstSentence is { } first && first.EndsWith('.') && first.Split(' ').Contains(Entity);

    /// <summary>How much of what is wanted it does, from 0 to 4.</summary>
    public int Points(World world) => (IsOnTopic ? 1 : 0) + (Holds(world, Text) ? 1 : 0) + (AsksNothing ? 1 : 0) + (HasEnded ? 1 : 0);

    private string FirstSentence => Text[..(Text.IndexOfAny(['.', '?']) + 1)];

    /// <summary>Whether the asked fact is in the first sentence.</summary>
    public bool StatesFactFirst(World world) => Holds(world, FirstSentence);

    /// <summary>Whether it does all that is wanted.</summary>
    public bool IsGood(World world) => IsOnTopic && Holds(world, Text) && AsksNothing && HasEnded;

    private bool Holds(World world, string text) =>
        text.Contains(world.Statement(Entity, Attribute, 0), StringComparison.Ordinal) || text.Contains(world.Statement(Entity, Attribute, 1), StringComparison.Ordinal);
}
