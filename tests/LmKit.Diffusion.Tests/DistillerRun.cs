using System.Text.Json;
using System.Text.Json.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>A distillation of six to eight steps by any of the methods.</summary>
internal sealed class DistillerRun : IDisposable
{
    internal const long Mask = 4;
    private const int Length = 6;
    private static readonly JsonSerializerOptions lenient = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private readonly LanguageModel student;
    private readonly Discriminator? discriminator;

    internal DistillerRun(
        string method,
        string? folder,
        bool isGuarded = false,
        int patience = 0,
        long interval = 0,
        Action<DistillationOptions>? configure = null,
        Func<long, Generator, Tensor>? rows = null,
        NoiseSchedule? schedule = null,
        ScalarType dtype = ScalarType.Float32)
    {
        rows ??= Rows;
        (student, Second, Third) = (DiffusionTransformer.Build(Sizes, dtype), Knowing(5, dtype), Knowing(6, dtype));
        var (studentDenoiser, second) = (new LanguageModelDenoiser(student, Mask), new LanguageModelDenoiser(Second, Mask));
        if (method.StartsWith("didi", StringComparison.Ordinal))
        {
            discriminator = Discriminator.FromTeacher(Second);
            var options = new DiDiInstructOptions { Steps = 6, DiscriminatorWarmup = 2, GroupCount = 2, GroupSize = 3, WarmupSteps = 1 };
            if (method != "didi")
                (options.Start, options.RolloutSteps, options.CouplesTime) = (RolloutStart.Data, 1, false);
            configure?.Invoke(options);
            Task = new DiDiInstructTask(student, studentDenoiser, second, discriminator, rows, options, schedule);
        }
        else if (method == "sdtt")
        {
            var options = new SdttOptions { Steps = 4, RoundCount = 2, TeacherStepCount = 8, BatchSize = 6, WarmupSteps = 1 };
            configure?.Invoke(options);
            Task = new SdttTask(student, studentDenoiser, Second, second, rows, options, schedule);
        }
        else
        {
            var start = method == "auxiliary" ? RolloutStart.Data : RolloutStart.Masks;
            var options = new AuxiliaryDenoiserOptions { Steps = 6, AuxiliaryWarmup = 2, BatchSize = 6, WarmupSteps = 1, Start = start };
            configure?.Invoke(options);
            Task = new AuxiliaryDenoiserTask(student, studentDenoiser, new LanguageModelDenoiser(Third, Mask), Second, second, rows, options, schedule);
        }
        if (isGuarded)
            Task.Guard = new DistillationGuard(new LanguageModelDenoiser(Third, Mask), new SampleJudge(new Dictionary<string, double> { ["0 1"] = 1 }, 2), new DistillationGuardOptions { Interval = 2, StepCount = 2, SampleCount = 8, Length = Length, EntropyTolerance = 1, Patience = patience });
        Trainer = new Trainer(Task, new TrainingOptions { CheckpointFolder = folder, CheckpointInterval = interval });
    }

    internal static DiffusionTransformerOptions Sizes => new() { VocabSize = 5, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8, DropoutRate = 0.1, Seed = 3 };

    /// <summary>A discriminator of a transformer's sizes that knows nothing yet.</summary>
    internal static Discriminator Untaught(DiffusionTransformerOptions options)
    {
        using var teacher = DiffusionTransformer.Build(options);
        return Discriminator.FromTeacher(teacher);
    }

    internal LanguageModel Second { get; }

    internal LanguageModel Third { get; }

    internal DistillationTask Task { get; }

    internal Trainer Trainer { get; }

    internal void Poison()
    {
        using var frozen = no_grad();
        student.parameters().First().fill_(double.NaN);
    }

    internal double[] Values() => [.. Values(student), .. Trainer.Average!.Tensors.Values.SelectMany(Values)];

    /// <summary>What a refused checkpoint must leave alone.</summary>
    internal string Everything() =>
        JsonSerializer.Serialize(new { Values = Values(), Helper = discriminator is null ? null : Values(discriminator), Second = Values(Second), Trainer.Step, Task.Ledger, Trainer.Average!.UpdateCount, Guard = Task.Guard?.Readings }, lenient);

    internal static double[] Values(nn.Module module) => [.. module.state_dict().Values.SelectMany(Values)];

    internal static double[] Values(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).flatten().data<double>().ToArray();
    }

    // A new transformer's head is zero, so that all new ones agree.
    private static LanguageModel Knowing(ulong seed, ScalarType dtype)
    {
        var network = DiffusionTransformer.Build(Sizes, dtype);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(seed);
        foreach (var parameter in network.parameters())
            parameter.add_((randn(parameter.shape, generator: random) * 0.3).to(dtype));
        network.eval();
        return network;
    }

    internal static Tensor Rows(long count, Generator random) => randint(0, Mask, [count, Length], dtype: ScalarType.Int64, generator: random);

    public void Dispose()
    {
        Trainer.Dispose();
        Task.Guard?.Dispose();
        Task.Dispose();
        discriminator?.Dispose();
        Second.Dispose();
        Third.Dispose();
        student.Dispose();
    }
}
