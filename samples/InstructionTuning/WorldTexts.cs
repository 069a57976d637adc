namespace LmKit.InstructionTuning;

/// <summary>Texts about a world: pages of questions, a few answers, a rare lecture, and articles.</summary>
/// <param name="world">The world.</param>
/// <param name="seed">Fixes the texts.</param>
public sealed class WorldTexts(World world, long seed)
{
    private const double QuestionPageShare = 0.1;
    private const double QuizShare = 0.3;
    private const double LectureShare = 0.1;
    private const double QuestionsAfter = 0.5;
    private const double OtherPlaceAfter = 0.25;

    private readonly SplitMix random = new((ulong)seed + 1);

    /// <summary>The next text of the mixture that a model reads before tuning.</summary>
    public string Next()
    {
        var draw = random.NextDouble();
        return draw < QuestionPageShare ? AnsweredQuestions()
            : draw < QuestionPageShare + QuizShare ? Several(5 + Below(2), () => RandomQuestion(world.Entities))
            : draw < QuestionPageShare + QuizShare + LectureShare ? Lecture()
            : Article(world.Entities);
    }

    /// <summary>An article: three facts of a place, then questions, another place, or boilerplate.</summary>
    /// <param name="places">The places that it may name.</param>
    public string Article(IReadOnlyList<string> places)
    {
        var entity = Pick(places);
        var intro = random.NextDouble() < 0.5 ? World.Intro(entity) + " " : "";
        var first = Facts(3, attribute => world.Statement(entity, attribute, Below(2)));
        var draw = random.NextDouble();
        var other = Pick(places);
        var second = draw < QuestionsAfter ? Several(3, () => RandomQuestion(places))
            : draw < QuestionsAfter + OtherPlaceAfter ? Facts(3, attribute => world.Statement(other, attribute, Below(2)))
            : Several(4, () => Pick(World.Boilerplate));
        return $"{intro}{first} {second}";
    }

    /// <summary>An article that states one to three facts of a place and goes on for about as many words with questions, another place, or boilerplate.</summary>
    /// <param name="places">The places that it may name.</param>
    public string VariedArticle(IReadOnlyList<string> places)
    {
        var entity = Pick(places);
        var intro = random.NextDouble() < 0.5 ? World.Intro(entity) + " " : "";
        var first = intro + Facts(1 + Below(3), attribute => world.Statement(entity, attribute, Below(2)));
        var draw = random.NextDouble();
        var other = Pick([.. places.Where(place => place != entity)]);
        var order = SplitMix.Permutation(World.AttributeCount, unchecked((long)random.Next()), 0);
        var second = new List<string>();
        for (var left = World.WordCount(first); left > 0; left -= World.WordCount(second[^1]))
        {
            second.Add(draw < QuestionsAfter ? RandomQuestion(places)
                : draw < QuestionsAfter + OtherPlaceAfter ? world.Statement(other, order[second.Count % order.Length], Below(2))
                : Pick(World.Boilerplate));
        }
        return $"{first} {string.Join(' ', second)}";
    }

    private string AnsweredQuestions() => Several(3, () =>
    {
        var (entity, attribute) = (Pick(world.Entities), Below(World.AttributeCount));
        return $"{World.Question(entity, attribute)} {world.Statement(entity, attribute)}";
    });

    private string Lecture()
    {
        var entity = Pick(world.Entities);
        var intro = random.NextDouble() < 0.5 ? World.Intro(entity) + " " : "";
        var facts = Facts(1 + Below(3), attribute => World.Marked(world.Statement(entity, attribute)));
        return $"{intro}{facts} {World.Closing(entity)}";
    }

    // Different facts of one place, in a random order.
    private string Facts(int count, Func<int, string> sentence) =>
        string.Join(' ', SplitMix.Permutation(World.AttributeCount, unchecked((long)random.Next()), 0).Take(count).Select(sentence));

    private string RandomQuestion(IReadOnlyList<string> places) => World.Question(Pick(places), Below(World.AttributeCount));

    private static string Several(int count, Func<string> sentence) => string.Join(' ', Enumerable.Range(0, count).Select(_ => sentence()));

    private string Pick(IReadOnlyList<string> from) => from[Below(from.Count)];

    private int Below(int bound) => (int)random.Below((ulong)bound);
}
