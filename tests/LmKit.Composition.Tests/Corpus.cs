namespace LmKit.Composition.Tests;

/// <summary>The toy language that every part of the composition learns.</summary>
internal static class Corpus
{
    private static readonly string[] Animals = ["cat", "dog", "hen", "fox"];
    private static readonly string[] Places = ["mat", "log", "nest", "hill"];

    /// <summary>Statements: each animal sits in its own place.</summary>
    internal static IEnumerable<TextDocument> Documents(int count) =>
        Enumerable.Range(0, count).Select(index => new TextDocument($"document {index}", string.Concat(Enumerable.Range(0, 6).Select(place => Statement((index + (place * 3)) % 4)))));

    /// <summary>Questions about where an animal sits, with their answers.</summary>
    internal static IEnumerable<(string Question, string Answer)> Conversations() =>
        Enumerable.Range(0, 4).Select(animal => ($"where is the {Animals[animal]}?", $"on the {Places[animal]}."));

    private static string Statement(int animal) => $"the {Animals[animal]} sat on the {Places[animal]}. ";
}
