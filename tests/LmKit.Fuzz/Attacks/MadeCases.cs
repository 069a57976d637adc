namespace LmKit.Fuzz;

/// <summary>Hostile cases that are too large to keep, or that many readers have in common: made when they are read.</summary>
internal static class MadeCases
{
    internal static IEnumerable<HostileCase> All() =>
        TemplateAttacks.All().Concat(JsonAttacks.All()).Concat(ArchiveAttacks.All()).Concat(BinaryAttacks.All()).Concat(TextAttacks.All()).Concat(PublishedAttacks.All()).Concat(TokenizerAttacks.All());
}
