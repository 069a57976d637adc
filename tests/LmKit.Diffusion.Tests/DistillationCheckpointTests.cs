using System.Text.Json.Nodes;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public sealed class DistillationCheckpointTests : IDisposable
{
    private readonly string folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public static TheoryData<string, string> Parts => new()
    {
        { "student", "" },
        { "student.optimizer", "" },
        { "student.average", "" },
        { "discriminator", "" },
        { "discriminator.optimizer", "" },
        { "progress", "random" },
        { "progress", "discriminator_random" },
        { "progress", "ledger.TeacherForwards" },
        { "progress", "guard.best." },
        { "progress", "guard.history" },
    };

    private string[] Entries => [.. Directory.EnumerateFileSystemEntries(folder).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void Saving_keeps_the_newest_two_and_lets_everything_else_in_the_folder_be()
    {
        Directory.CreateDirectory(Path.Combine(folder, "step-00000007"));
        File.WriteAllText(Path.Combine(folder, "step-00000007", "distillation.json"), "{}");
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "mine");
        using var scope = NewDisposeScope();
        using var run = new DistillerRun("didi", folder, interval: 2);

        for (var step = 0; step < 6; step++)
            run.Trainer.Advance();
        Assert.Equal(["notes.txt", "step-00000004", "step-00000006", "step-00000007"], Entries);
        run.Trainer.Advance();

        Assert.Contains("is not a checkpoint", Assert.Throws<IOException>(() => run.Trainer.Save()).Message, StringComparison.Ordinal);
        Assert.Equal(["notes.txt", "step-00000004", "step-00000006", "step-00000007"], Entries);
        Assert.True(run.Trainer.Resume());
        Assert.Equal(6, run.Trainer.Step);
    }

    [Fact]
    public void A_cancelled_run_keeps_a_checkpoint()
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun("sdtt", folder);
        using var source = new CancellationTokenSource();
        run.Trainer.Advance();
        source.Cancel();

        Assert.Throws<OperationCanceledException>(() => run.Trainer.Run(cancellation: source.Token));
        Assert.Equal(["step-00000001"], Entries);
    }

    [Fact]
    public void Weights_that_are_not_finite_are_never_saved()
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun("didi", folder);
        run.Trainer.Advance();
        var kept = run.Trainer.Save();
        run.Trainer.Advance();
        run.Poison();

        var error = Assert.Throws<TrainingDivergedException>(() => run.Trainer.Save());
        Assert.Contains("of the student", error.Message, StringComparison.Ordinal);
        Assert.Equal(kept, error.Checkpoint);
        Assert.Equal(["step-00000001"], Entries);
    }

    [Theory]
    [MemberData(nameof(Parts))]
    public void Resuming_checks_every_part_before_it_changes_anything(string part, string prefix)
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun("didi", folder, isGuarded: true);
        run.Trainer.Advance();
        run.Trainer.Advance();
        var name = string.Empty;
        CheckpointSurgery.ChangePart(run.Trainer.Save(), part, tensors =>
        {
            name = tensors.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).MaxBy(pair => pair.Value.numel()).Key;
            tensors[name] = tensors[name].flatten().narrow(0, 0, 1).contiguous();
        });
        run.Trainer.Advance();
        var before = run.Everything();

        Assert.Contains(name, Assert.Throws<CheckpointMismatchException>(() => run.Trainer.Resume()).Message, StringComparison.Ordinal);
        Assert.Equal(before, run.Everything());
        Assert.Equal(3, run.Trainer.Step);
    }

    [Theory]
    [InlineData("steps", 7L)]
    [InlineData("group_size", 2L)]
    [InlineData("seed", 9L)]
    [InlineData("student_learning_rate", 0L)]
    public void Another_recipe_is_refused_by_name(string member, long value)
    {
        using var scope = NewDisposeScope();
        using (var first = new DistillerRun("didi", folder))
            first.Trainer.Save();
        using var run = new DistillerRun("didi", folder, configure: options =>
        {
            var didi = (DiDiInstructOptions)options;
            _ = member switch
            {
                "steps" => didi.Steps = value,
                "group_size" => didi.GroupSize = (int)value,
                "seed" => (long)(didi.Seed = (ulong)value),
                _ => didi.StudentLearningRate = value,
            };
        });
        var before = run.Everything();

        var error = Assert.Throws<CheckpointMismatchException>(() => run.Trainer.Resume());
        Assert.Equal(member == "student_learning_rate" ? [$"distillation.{member}", "student.learning_rate"] : [$"distillation.{member}"], error.WrongValue.Select(wrong => wrong.Name));
        Assert.Equal(before, run.Everything());
    }

    [Fact]
    public void Another_folder_and_interval_are_no_other_recipe()
    {
        using var scope = NewDisposeScope();
        using (var first = new DistillerRun("didi", folder))
            first.Trainer.Save();
        using var run = new DistillerRun("didi", folder + Path.DirectorySeparatorChar, interval: 5);

        Assert.True(run.Trainer.Resume());
    }

    [Fact]
    public void A_checkpoint_of_the_distillers_earlier_own_trainers_is_refused_in_words()
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun("sdtt", folder);
        var saved = run.Trainer.Save();
        File.Move(Path.Combine(saved, "trainer.json"), Path.Combine(saved, "distillation.json"));

        var error = Assert.Throws<CheckpointException>(() => run.Trainer.Resume());
        Assert.Contains("distillation.json is not one of this version of LmKit", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_of_another_format_or_with_names_outside_its_folder_is_refused()
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun("didi", folder);
        var path = Path.Combine(run.Trainer.Save(), "trainer.json");
        var text = File.ReadAllText(path);
        void Change(string member, JsonNode? value)
        {
            var header = JsonNode.Parse(text)!.AsObject();
            header[member] = value;
            File.WriteAllText(path, header.ToJsonString());
        }

        string Refusal() => Assert.Throws<CheckpointException>(() => run.Trainer.Resume()).Message;

        Change("format", 1);
        Assert.Equal("format", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => run.Trainer.Resume()).WrongValue).Name);
        Change("parts", new JsonObject { ["../elsewhere"] = new string('0', 64) });
        Assert.Contains("../elsewhere", Refusal(), StringComparison.Ordinal);
        File.WriteAllText(path, "{");
        Assert.Contains("trainer.json", Refusal(), StringComparison.Ordinal);
    }
}
