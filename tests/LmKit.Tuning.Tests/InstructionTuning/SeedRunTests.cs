using LmKit.Conformance;
using LmKit.InstructionTuning;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public class SeedRunTests
{
    [Fact]
    public async Task The_whole_pipeline_runs_at_toy_size_and_no_tuning_document_names_a_held_out_place()
    {
        using var folder = new TemporaryFolder();
        var settings = new TuningSettings(6, 40, 3);
        var steps = new List<string>();

        var result = await new SeedRun(settings, TuningRecipe.All, 0, folder.Path).ExecuteAsync((arm, _) => steps.Add(arm), default);

        Assert.Equal(["varied", "literal"], result.Recipes.Select(recipe => recipe.Recipe.Name));
        Assert.Equal([6, 3, 3, 3, 3, 3, 3], steps.CountBy(arm => arm).Select(pair => pair.Value));
        var world = new World(0);
        foreach (var recipe in result.Recipes)
        {
            var arms = result.Of(recipe.Recipe);
            Assert.Equal([null, DatasetArm.Original, DatasetArm.Teacher, DatasetArm.ResponseOnly], arms.Select(arm => arm.Arm));
            Assert.All(arms, arm => Assert.Equal(20, arm.Replies.Count));
            Assert.Equal(4, recipe.Ratings.Models.Count);
            Assert.Equal(0, recipe.Ratings.InvalidRate);
            var records = DatasetRecord.ReadAll(Path.Combine(folder[recipe.Recipe.Name], "dataset", "data-00000.jsonl")).ToArray();
            Assert.Equal(recipe.FactCounts.Sum(), records.Length);
            Assert.All(records, record => Assert.DoesNotContain(world.HeldOut, place => $"{record.Prompt} {record.Response} {record.Reference}".Contains(place, StringComparison.Ordinal)));
            Assert.All(records, record => Assert.DoesNotContain('?', record.Prompt + record.Response));
            Assert.All(records, record => Assert.StartsWith("indeed ,", record.Response, StringComparison.Ordinal));
        }
        var page = ResultPage.Write([result], settings, 1);
        Assert.Contains("## The varied recipe counts as reproduced: no", page, StringComparison.Ordinal);
        Assert.Contains("## The literal recipe counts as reproduced: no", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task The_varied_recipes_responses_state_one_two_and_three_facts_in_good_shares_and_the_literal_ones_never_three(long seed)
    {
        Assert.All(await Shares(TuningRecipe.Varied), share => Assert.InRange(share, 0.15, 0.6));
        var literal = await Shares(TuningRecipe.Literal);
        Assert.True(literal[0] > 0.75 && literal[2] < 0.01, string.Join(", ", literal));

        async Task<double[]> Shares(TuningRecipe recipe)
        {
            using var folder = new TemporaryFolder();
            var records = await new RecipeRun(new World(seed), recipe, TuningSettings.Default, seed, folder.Path).RecordsAsync(default);
            return [.. RecipeRun.FactCounts(records).Select(count => count / (double)records.Count)];
        }
    }

    [Fact]
    public void A_varied_article_goes_on_for_about_as_many_words_without_its_place()
    {
        var world = new World(3);
        var texts = new WorldTexts(world, 3);
        var openings = new List<int>();
        for (var index = 0; index < 300; index++)
        {
            var sentences = texts.VariedArticle(world.Tuned).Split(['.', '?'], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            var place = sentences[0].Split(' ').First(world.Entities.Contains);
            var (opening, rest) = Parts(sentences, place);
            openings.Add(opening.Count(sentence => !World.Intro(place).StartsWith(sentence, StringComparison.Ordinal)));
            Assert.InRange(Words(rest) - Words(opening), 0, 7);
        }
        Assert.Equal([1, 2, 3], openings.Distinct().Order());

        static (string[] Opening, string[] Remainder) Parts(string[] sentences, string place)
        {
            var count = sentences.TakeWhile(sentence => sentence.Split(' ') is var words && words.Contains(place) && !words[0].StartsWith("wh", StringComparison.Ordinal)).Count();
            return (sentences[..count], sentences[count..]);
        }

        static int Words(string[] sentences) => sentences.Sum(sentence => World.WordCount(sentence) + 1);
    }

    [Fact]
    public void The_teacher_states_what_the_text_has_not_said_of_its_last_place()
    {
        var world = new World(1);
        using var teacher = new WorldTeacher(world);
        var (first, last) = (world.Entities[0], world.Entities[1]);
        var text = $"{world.Statement(first, 0)} {world.Statement(last, 2, 1)}";

        var answer = Answer(text);

        Assert.Equal(answer, Answer(text));
        Assert.EndsWith(World.Closing(last), answer, StringComparison.Ordinal);
        Assert.All([0, 1, 3], attribute => Assert.Contains(World.Marked(world.Statement(last, attribute)), answer, StringComparison.Ordinal));
        Assert.DoesNotContain(first, answer, StringComparison.Ordinal);

        string Answer(string prompt) => teacher.GetResponseAsync([new Microsoft.Extensions.AI.ChatMessage(Microsoft.Extensions.AI.ChatRole.User, prompt)]).Result.Text;
    }

    [Fact]
    public void Replies_are_judged_by_what_they_say()
    {
        var world = new World(2);
        var (entity, other) = (world.Entities[3], world.Entities[4]);
        var good = new Reply(World.Question(entity, 1), entity, 1, $"indeed , {world.Statement(entity, 0)} indeed , {world.Statement(entity, 1)} {World.Closing(entity)}", true);
        Assert.Equal((true, true, true, true, false), (good.IsOnTopic, good.AsksNothing, good.IsMarked, good.IsGood(world), good.StatesFactFirst(world)));
        Assert.False((good with { HasEnded = false }).IsGood(world));
        Assert.False((good with { Entity = other }).IsOnTopic);
        Assert.False((good with { Text = good.Text + " what ?" }).IsGood(world));
        Assert.False((good with { Text = $"{entity} ?" }).IsOnTopic);
        Assert.False((good with { Text = $"indeed , {world.Statement(entity, 0)}" }).IsGood(world));
    }

    [Fact]
    public void A_reproduction_needs_every_window_on_four_seeds_in_five_and_a_control_that_never_learns()
    {
        var learned = new ProbeScores(1, 1, 1, 0.6, 0.2, 1);
        var nothing = new ProbeScores(0, 0, 0, 0, 0, 1);

        Assert.Equal((true, 5, 4), Judge(5, learned, nothing));
        Assert.Equal((true, 3, 3), Judge(3, learned, nothing));
        Assert.Equal((false, 0, 0), Judge(0, learned, nothing));
        Assert.Equal((true, 4, 4), Judge(5, learned with { OnTopic = 0.85 }, nothing));
        Assert.Equal((false, 2, 3), Judge(3, learned with { OnTopic = 0.85 }, nothing));
        Assert.Equal((false, 3, 4), Judge(5, learned with { OnTopic = 0.85 }, nothing, changed: 2));
        Assert.Equal((true, 4, 4), Judge(5, learned with { NoQuestion = 0.85 }, nothing));
        Assert.Equal((true, 4, 4), Judge(5, learned with { Marker = 0.85 }, nothing));
        Assert.Equal((true, 4, 4), Judge(5, learned with { Cloze = 0.9 }, nothing));
        Assert.Equal((true, 4, 4), Judge(5, learned with { Good = 0.45 }, nothing));
        Assert.Equal((false, 4, 4), Judge(5, learned with { Good = 0.05 }, nothing)); // the mean
        Assert.Equal((false, 4, 4), Judge(5, learned, nothing with { NoQuestion = 0.4 })); // the control may never learn
        Assert.Equal((false, 4, 4), Judge(5, learned, nothing with { Good = 0.15 }));
        Assert.Equal((false, 4, 4), Judge(5, learned, nothing with { Marker = 0.15 }));

        // The last seeds are the ones that are changed.
        static (bool IsReproduced, int Holding, int Needed) Judge(int count, ProbeScores teacher, ProbeScores control, int changed = 1)
        {
            var usual = (Teacher: new ProbeScores(1, 1, 1, 0.6, 0.2, 1), Control: new ProbeScores(0, 0, 0, 0, 0, 1));
            var judged = Reproduction.Judge(Enumerable.Range(0, count).Select(seed => Arms(seed, seed < count - changed ? usual : (teacher, control))));
            return (judged.IsReproduced, judged.Holding.Count, judged.Needed);
        }

        static IReadOnlyList<ArmResult> Arms(long seed, (ProbeScores Teacher, ProbeScores Control) scores) =>
        [
            new(null, seed, new ProbeScores(0, 0, 0, 0, 0, 1), [], 0), new(DatasetArm.Original, seed, scores.Control, [], 0), new(DatasetArm.Teacher, seed, scores.Teacher, [], 0),
        ];
    }
}
