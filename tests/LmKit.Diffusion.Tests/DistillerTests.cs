using System.Text.Json;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public sealed class DistillerTests : IDisposable
{
    private const long Mask = DistillerRun.Mask;
    private readonly string folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public static TheoryData<string> Methods => ["didi", "didi from data", "auxiliary", "auxiliary from masks", "sdtt"];

    public void Dispose()
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_run_moves_the_student_and_leaves_nothing_behind(string method)
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun(method, null);
        var before = run.Values();
        run.Trainer.Advance();
        LiveTensors.Unchanged("A step", () => run.Trainer.Advance());
        run.Trainer.Run();

        Assert.Equal(TrainingEnd.Steps, run.Trainer.End);
        Assert.NotEqual(before, run.Values());
        Assert.All(run.Values(), value => Assert.True(double.IsFinite(value)));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_resumed_run_equals_the_uninterrupted_one_bit_for_bit(string method)
    {
        using var scope = NewDisposeScope();
        using var whole = new DistillerRun(method, null, isGuarded: true);
        whole.Trainer.Run();
        using (var first = new DistillerRun(method, folder, isGuarded: true))
        {
            for (var step = 0; step < 5; step++)
                first.Trainer.Advance();
            first.Trainer.Save();
            first.Trainer.Advance(); // lost with the process
        }

        using var second = new DistillerRun(method, folder, isGuarded: true);
        Assert.True(second.Trainer.Resume());
        Assert.Equal(5, second.Trainer.Step);
        second.Trainer.Run();

        Assert.Equal(whole.Values(), second.Values());
        Assert.Equal(whole.Task.Guard!.Readings, second.Task.Guard!.Readings);
        Assert.NotEmpty(second.Task.Guard!.Readings);
        Assert.Equal(JsonSerializer.Serialize(whole.Task.Ledger), JsonSerializer.Serialize(second.Task.Ledger));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_loss_that_is_not_finite_stops_the_run_and_names_the_last_checkpoint(string method)
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun(method, folder);
        for (var step = 0; step < 3; step++)
            run.Trainer.Advance();
        var kept = run.Trainer.Save();
        run.Poison();

        var error = Assert.Throws<TrainingDivergedException>(() => run.Trainer.Run());

        Assert.Contains(method == "sdtt" ? "The loss of step 4" : "of the student", error.Message, StringComparison.Ordinal);
        Assert.Equal((4, kept), (error.Step, error.Checkpoint));
        Assert.Equal(3, run.Trainer.Step);
        Assert.True(run.Trainer.Resume());
        run.Trainer.Run();
        Assert.All(run.Values(), value => Assert.True(double.IsFinite(value)));
    }

    [Fact]
    public void A_checkpoint_of_another_method_is_refused_and_none_is_no_error()
    {
        using var scope = NewDisposeScope();
        using var didi = new DistillerRun("didi", folder);
        Assert.False(didi.Trainer.Resume());
        didi.Trainer.Save();
        using var sdtt = new DistillerRun("sdtt", folder);

        Assert.Contains("SdttTask", Assert.Throws<CheckpointMismatchException>(() => sdtt.Trainer.Resume()).Message, StringComparison.Ordinal);
        using var homeless = new DistillerRun("didi", null);
        Assert.Contains("CheckpointFolder", Assert.Throws<InvalidOperationException>(() => homeless.Trainer.Save()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sampling_rows_become_the_teacher_of_the_next_round()
    {
        using var scope = NewDisposeScope();
        using var run = new DistillerRun("sdtt", null);
        var teacher = DistillerRun.Values(run.Second);
        for (var step = 0; step < 4; step++)
            run.Trainer.Advance();
        Assert.Equal(teacher, DistillerRun.Values(run.Second));
        var average = run.Trainer.Average!.Tensors.Values.SelectMany(DistillerRun.Values).ToArray();
        Assert.Equal(1, run.Trainer.Advance()!.Figures["round"]);
        Assert.Equal(average, DistillerRun.Values(run.Second));
    }

    [Theory]
    [InlineData(SdttDivergence.StudentToTarget, 0.6 * 0.4054651, 0.4 * -0.4054651)]
    [InlineData(SdttDivergence.TargetToStudent, 0.4 * -0.4054651, 0.6 * 0.4054651)]
    [InlineData(SdttDivergence.SquaredError, 0.1644019 / 2, 0.1644019 / 2)]
    [InlineData(SdttDivergence.AbsoluteError, 0.4054651 / 2, 0.4054651 / 2)]
    public void Each_divergence_of_a_two_token_target_is_known(SdttDivergence divergence, double first, double second)
    {
        using var scope = NewDisposeScope();
        var target = tensor([0.4, 0.6], [1, 1, 2]).log();
        var student = tensor([0.6, 0.4], [1, 1, 2]).log();

        Assert.Equal(first + second, DistillationLosses.Of(divergence, target, student, ones(1, 1, dtype: ScalarType.Bool)).item<double>(), 1e-6);
    }

    [Fact]
    public void Rounds_that_leave_no_step_and_options_out_of_range_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var network = DiffusionTransformer.Build(DistillerRun.Sizes);
        using var other = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 6, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8 });
        var denoiser = new LanguageModelDenoiser(network, Mask);
        SdttTask Make(SdttOptions options) => new(network, denoiser, network, denoiser, DistillerRun.Rows, options);

        Assert.Contains("SdttOptions.RoundCount = 7", Assert.Throws<ArgumentException>(() => Make(new SdttOptions { TeacherStepCount = 64 })).Message, StringComparison.Ordinal);
        Assert.Contains("6 tokens", Assert.Throws<ArgumentException>(() => new AuxiliaryDenoiserTask(network, denoiser, denoiser, other, new LanguageModelDenoiser(other, Mask), DistillerRun.Rows)).Message, StringComparison.Ordinal);
        Assert.Contains("batch_size", Assert.Throws<ConfigurationException>(() => Make(new SdttOptions { BatchSize = 0 })).Message, StringComparison.Ordinal);
    }
}
