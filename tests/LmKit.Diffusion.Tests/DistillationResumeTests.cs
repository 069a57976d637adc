using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public sealed class DistillationResumeTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    public static TheoryData<string> Methods => ["didi", "sdtt", "auxiliary"];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Methods))]
    public void Other_reference_rows_are_refused(string method)
    {
        using var scope = NewDisposeScope();
        using (var first = new DistillerRun(method, folder))
            first.Trainer.Save();
        using var other = new DistillerRun(method, folder, rows: (count, random) => randint(0, 2, [count, 6], dtype: ScalarType.Int64, generator: random));
        Assert.Equal("data_key", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => other.Trainer.Resume()).WrongValue).Name);
        Assert.Equal(0, other.Trainer.Step);
    }

    [Theory]
    [InlineData("didi", true)]
    [InlineData("auxiliary", true)]
    [InlineData("sdtt", false)] // whose teacher changes and is part of the checkpoint
    public void Another_teacher_is_refused(string method, bool isRefused)
    {
        using var scope = NewDisposeScope();
        using (var first = new DistillerRun(method, folder))
            first.Trainer.Save();
        using var other = new DistillerRun(method, folder);
        using (no_grad())
            (method == "auxiliary" ? other.Third : other.Second).parameters().First().add_(1);
        if (isRefused)
            Assert.Equal("teacher_key", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => other.Trainer.Resume()).WrongValue).Name);
        else
            Assert.True(other.Trainer.Resume());
    }

    [Fact]
    public void Another_method_schedule_or_guard_is_refused()
    {
        using var scope = NewDisposeScope();
        using (var first = new DistillerRun("didi", folder))
            first.Trainer.Save();
        Assert.Equal("task: expected SdttTask, found DiDiInstructTask", Refusal(new DistillerRun("sdtt", folder)));
        Assert.Equal("guard: expected set, found null", Refusal(new DistillerRun("didi", folder, isGuarded: true)));
        Assert.Equal("schedule: expected CosineNoiseSchedule, found LogLinearSchedule", Refusal(new DistillerRun("didi", folder, schedule: new CosineNoiseSchedule())));

        static string Refusal(DistillerRun run)
        {
            using (run)
                return Assert.Throws<CheckpointMismatchException>(() => run.Trainer.Resume()).WrongValue[0].ToString();
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_damaged_newest_checkpoint_is_reported_and_the_one_before_it_taken(string method)
    {
        using var scope = NewDisposeScope();
        using var whole = new DistillerRun(method, null);
        whole.Trainer.Run();
        string newest;
        using (var first = new DistillerRun(method, folder, interval: 2))
        {
            for (var step = 0; step < 4; step++)
                first.Trainer.Advance();
            newest = Path.Combine(folder, "step-00000004");
        }
        var name = string.Empty;
        CheckpointSurgery.ChangePart(newest, "student.optimizer", tensors =>
        {
            name = tensors.First(pair => pair.Key.EndsWith("exp_avg", StringComparison.Ordinal)).Key;
            tensors[name].fill_(double.NaN);
        });
        using var rest = new DistillerRun(method, folder, interval: 2);
        Assert.True(rest.Trainer.Resume());
        Assert.Equal(2, rest.Trainer.Step);
        var damaged = Assert.Single(rest.Trainer.Resumed!.Damaged);
        Assert.Equal(newest, damaged.Folder);
        Assert.Contains($"student.optimizer.safetensors: tensor '{name}'", damaged.Reason, StringComparison.Ordinal);
        rest.Trainer.Run();
        Assert.Equal(whole.Values(), rest.Values());
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_bfloat16_student_moves_through_float32_copies_and_goes_on_bit_for_bit(string method)
    {
        using var scope = NewDisposeScope();
        using var whole = new DistillerRun(method, null, dtype: ScalarType.BFloat16);
        whole.Trainer.Run();
        using (var first = new DistillerRun(method, folder, dtype: ScalarType.BFloat16))
        {
            for (var step = 0; step < 5; step++)
                first.Trainer.Advance();
            var saved = first.Trainer.Save();
            using var reader = new SafetensorsReader(Path.Combine(saved, "student.masters.safetensors"));
            Assert.All(reader.Entries, entry => Assert.Equal(ScalarType.Float32, entry.ScalarType));
            Assert.NotEmpty(reader.Entries);
        }
        using var rest = new DistillerRun(method, folder, dtype: ScalarType.BFloat16);
        Assert.True(rest.Trainer.Resume());
        rest.Trainer.Run();
        Assert.Equal(whole.Values(), rest.Values());
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Distilling_records_gradients_whatever_mode_its_caller_is_in(string method)
    {
        using var scope = NewDisposeScope();
        using var plain = new DistillerRun(method, null);
        plain.Trainer.Run();
        using var frozen = new DistillerRun(method, null);
        using (no_grad())
            frozen.Trainer.Run();
        Assert.Equal(plain.Values(), frozen.Values());
    }

    [Fact]
    public void An_interval_without_a_folder_and_float16_are_refused()
    {
        using var scope = NewDisposeScope();
        using var network = DiffusionTransformer.Build(DistillerRun.Sizes);
        using var half = DiffusionTransformer.Build(DistillerRun.Sizes, ScalarType.Float16);
        Assert.Contains("TrainingOptions.CheckpointInterval = 3", Refusal(network, new SdttOptions(), new TrainingOptions { CheckpointInterval = 3 }), StringComparison.Ordinal);
        Assert.Contains("TrainingOptions.Steps = 9: SdttTask", Refusal(network, new SdttOptions(), new TrainingOptions { Steps = 9 }), StringComparison.Ordinal);
        Assert.Contains("of float16", Refusal(half, new SdttOptions()), StringComparison.Ordinal);
        Assert.Contains("Divergence = 7", Refusal(network, new SdttOptions { Divergence = (SdttDivergence)7 }), StringComparison.Ordinal);

        string Refusal(LanguageModel student, SdttOptions options, TrainingOptions? run = null) => Assert.Throws<ConfigurationException>(() =>
        {
            using var task = new SdttTask(student, new LanguageModelDenoiser(student, DistillerRun.Mask), network, new LanguageModelDenoiser(network, DistillerRun.Mask), DistillerRun.Rows, options);
            new Trainer(task, run).Dispose();
        }).Message;
    }
}
