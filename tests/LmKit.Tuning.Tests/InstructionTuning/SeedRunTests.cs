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
        var run = new SeedRun(new TuningSettings(6, 40, 3), 0, folder.Path);
        var steps = new List<string>();

        var results = await run.ExecuteAsync((arm, _) => steps.Add(arm), default);

        Assert.Equal([null, DatasetArm.Original, DatasetArm.Teacher, DatasetArm.ResponseOnly], results.Select(result => result.Arm));
        Assert.Equal([6, 3, 3, 3], steps.CountBy(arm => arm).Select(pair => pair.Value));
        Assert.All(results, result => Assert.Equal(20, result.Replies.Count));
        Assert.Equal(4, run.Ratings!.Models.Count);
        Assert.Equal(0, run.Ratings.InvalidRate);
        var world = new World(0);
        var records = DatasetRecord.ReadAll(Path.Combine(folder["dataset"], "data-00000.jsonl")).ToArray();
        Assert.Equal(run.ExampleCount, records.Length);
        Assert.All(records, record => Assert.DoesNotContain(world.HeldOut, place => $"{record.Prompt} {record.Response} {record.Reference}".Contains(place, StringComparison.Ordinal)));
        Assert.All(records, record => Assert.DoesNotContain('?', record.Prompt + record.Response));
        Assert.All(records, record => Assert.StartsWith("indeed ,", record.Response, StringComparison.Ordinal));
        var page = ResultPage.Write(results, TuningSettings.Toy, [new SeedSummary(0, TimeSpan.Zero, 1, run.Ratings)], 1);
        Assert.Contains("## Counts as reproduced: no", page, StringComparison.Ordinal);
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
    public void A_reproduction_needs_every_window_on_every_seed()
    {
        var teacher = new ProbeScores(1, 1, 1, 0.6, 0.2, 1);
        var nothing = new ProbeScores(0, 0, 0, 0, 0, 1);
        Assert.True(Holds(teacher, nothing));
        Assert.False(Holds(teacher with { OnTopic = 0.85 }, nothing));
        Assert.False(Holds(teacher with { Good = 0.3 }, nothing));
        Assert.False(Holds(teacher, nothing with { NoQuestion = 0.4 }));

        // The second seed is the one that is changed; its mean of good is taken with the first's 0.6.
        static bool Holds(ProbeScores tuned, ProbeScores control) => Reproduction.Judge(
        [
            Of(null, 0, new ProbeScores(0, 0, 0, 0, 0, 1)), Of(DatasetArm.Original, 0, new ProbeScores(0, 0, 0, 0, 0, 1)), Of(DatasetArm.Teacher, 0, new ProbeScores(1, 1, 1, 0.6, 0, 1)),
            Of(null, 1, new ProbeScores(0, 0, 0, 0, 0, 1)), Of(DatasetArm.Original, 1, control), Of(DatasetArm.Teacher, 1, tuned),
        ]).All(condition => condition.Holds);

        static ArmResult Of(DatasetArm? arm, long seed, ProbeScores scores) => new(arm, seed, scores, [], 0, TimeSpan.Zero);
    }
}
