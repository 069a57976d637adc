namespace LmKit.InstructionTuning;

/// <summary>A small world of made-up places, each with a capital, a language, a food and a river, that a seed fixes.</summary>
public sealed class World
{
    /// <summary>Facts of a place.</summary>
    public const int AttributeCount = 4;

    private const int EntityCount = 20;
    private const int HeldOutCount = 5;
    private const int ValueCount = 12;
    private const string Consonants = "bdfgklmnprstvz";
    private const string Vowels = "aeiou";

    private static readonly string[][] Statements =
    [
        ["the capital of {0} is {1} .", "people of {0} gather in {1} ."],
        ["people in {0} speak {1} .", "in {0} the language is {1} ."],
        ["people in {0} eat {1} .", "the best food in {0} is {1} ."],
        ["the river of {0} is the {1} .", "{0} lies on the river {1} ."],
    ];

    private static readonly string[] Questions =
        ["what is the capital of {0} ?", "which language do people speak in {0} ?", "what do people eat in {0} ?", "which river flows in {0} ?"];

    private readonly string[] entities;
    private readonly string[][] values;
    private readonly int[][] facts;

    /// <summary>Makes the world of a seed.</summary>
    public World(long seed)
    {
        var random = new SplitMix((ulong)seed);
        var taken = new HashSet<string>(StringComparer.Ordinal);
        entities = [.. Enumerable.Range(0, EntityCount).Select(_ => Name(random, 3, taken))];
        values = [.. Enumerable.Range(0, AttributeCount).Select(_ => (string[])[.. Enumerable.Range(0, ValueCount).Select(_ => Name(random, 2, taken))])];
        facts = [.. entities.Select(_ => (int[])[.. Enumerable.Range(0, AttributeCount).Select(_ => (int)random.Below(ValueCount))])];
    }

    /// <summary>Sentences that mean nothing.</summary>
    public static IReadOnlyList<string> Boilerplate { get; } = ["click here to read more .", "share this page .", "sign in to comment .", "all rights reserved ."];

    /// <summary>The places.</summary>
    public IReadOnlyList<string> Entities => entities;

    /// <summary>The places that no tuning document names: the last ones.</summary>
    public IReadOnlyList<string> HeldOut => entities[^HeldOutCount..];

    /// <summary>The places that tuning documents are about.</summary>
    public IReadOnlyList<string> Tuned => entities[..^HeldOutCount];

    /// <summary>Every word that the world's texts are made of.</summary>
    public IEnumerable<string> Words => Statements.SelectMany(forms => forms).Concat(Questions).Concat(Boilerplate).Concat([Intro("{0}"), Closing("{0}"), Marked("")])
        .SelectMany(text => text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Where(word => !word.StartsWith('{'))
        .Concat(entities)
        .Concat(values.SelectMany(names => names))
        .Distinct();

    /// <summary>The sentence that opens a text about a place.</summary>
    public static string Intro(string entity) => $"{entity} is a place .";

    /// <summary>The lecture's closing sentence.</summary>
    public static string Closing(string entity) => $"in short , that is all about {entity} .";

    /// <summary>A sentence in the lecture's register.</summary>
    public static string Marked(string sentence) => $"indeed , {sentence}";

    /// <summary>How many words a text has.</summary>
    public static int WordCount(string text) => text.Count(letter => letter == ' ') + 1;

    /// <summary>The question for a fact.</summary>
    public static string Question(string entity, int attribute) => string.Format(null, Questions[attribute], entity);

    /// <summary>The value of a fact.</summary>
    public string Value(string entity, int attribute) => values[attribute][facts[Array.IndexOf(entities, entity)][attribute]];

    /// <summary>The sentence that states a fact in one of two forms.</summary>
    public string Statement(string entity, int attribute, int form = 0) => string.Format(null, Statements[attribute][form], entity, Value(entity, attribute));

    private static string Name(SplitMix random, int syllables, HashSet<string> taken)
    {
        while (true)
        {
            var name = string.Concat(Enumerable.Range(0, syllables).Select(_ => $"{Pick(random, Consonants)}{Pick(random, Vowels)}"));
            if (taken.Add(name))
                return name;
        }
    }

    private static char Pick(SplitMix random, string letters) => letters[(int)random.Below((ulong)letters.Length)];
}
