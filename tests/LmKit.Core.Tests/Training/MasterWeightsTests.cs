using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class MasterWeightsTests : TrainingScene
{
    private static readonly float[] Start = [1, -1, 0.5f, 100, -0.007f, 3e-5f]; // all near to or far above a step's size
    private static readonly float[] Pull = [1, -2, 0.5f, 4, 0.25f, -1];

    [Fact]
    public void Copies_move_exactly_as_float32_weights_do()
    {
        using var half = new ConstantPull(ScalarType.BFloat16, Start, Pull, 1);
        using var single = new ConstantPull(ScalarType.Float32, half.Values, Pull, 1);
        using (var trainer = new Trainer(half, Slow(100)))
        {
            trainer.Run();
            trainer.Save();
        }
        using (var trainer = new Trainer(single, new() { Steps = 100, LearningRate = 1e-5, WeightDecay = 0.1, Shape = LearningRateShape.Constant }))
            trainer.Run();

        using var scope = NewDisposeScope();
        using var reader = new SafetensorsReader(Path.Combine(Checkpoints, "step-00000100", "model.masters.safetensors"));
        var master = reader.Read("weight");
        Assert.Equal(ScalarType.Float32, master.dtype);
        Assert.Equal(single.Values, master.data<float>().ToArray());
        Assert.True(half.Weight.Equals(master.to(ScalarType.BFloat16)));
        Assert.Equal(ScalarType.BFloat16, half.Weight.dtype);
    }

    [Fact]
    public void A_bfloat16_model_moves_as_a_float32_one_but_for_the_noise_of_its_gradients()
    {
        using var half = Model(ScalarType.BFloat16);
        using var single = Model();
        using var scope = NewDisposeScope();
        using (no_grad())
        {
            foreach (var (name, parameter) in single.named_parameters())
                parameter.copy_(half.get_parameter(name)!);
        }
        var start = single.get_parameter("layers.0.mlp.fc1.weight")!.detach().clone();
        using (var trainer = new Trainer(new LanguageModelTask(half, Data, 32, 4, 1), Slow(40)))
        {
            trainer.Run();
            trainer.Save();
        }
        using (var trainer = new Trainer(new LanguageModelTask(single, Data, 32, 4, 1), Slow(40)))
            trainer.Run();

        using var reader = new SafetensorsReader(Path.Combine(Checkpoints, "step-00000040", "model.masters.safetensors"));
        var moved = single.get_parameter("layers.0.mlp.fc1.weight")!.detach() - start;
        var difference = reader.Read("layers.0.mlp.fc1.weight") - start - moved;
        var share = difference.norm().item<float>() / moved.norm().item<float>();
        Assert.True(share < 0.15, $"{share:F3} of the way apart");
    }

    [Fact]
    public void Gradients_of_micro_batches_are_summed_and_measured_in_float32()
    {
        // 256 + 0.5 is 256 in bfloat16: summed there, 255 half steps would vanish.
        using var task = new ConstantPull(ScalarType.BFloat16, [1], [1], [256, .. Enumerable.Repeat(0.5, 255)]);
        using var trainer = new Trainer(task, new() { Steps = 1, AccumulationCount = 256, MaxGradientNorm = 0 });
        Assert.Equal((256 + 0.5 * 255) / 256, Assert.Single(Run(trainer)).GradientNorm, 9);
    }

    [Fact]
    public void The_norm_of_half_precision_gradients_is_float32()
    {
        using var scope = NewDisposeScope();
        foreach (var dtype in new[] { ScalarType.BFloat16, ScalarType.Float16 })
        {
            var weight = new TorchSharp.Modules.Parameter(ones(1000, dtype)) { grad = full(1000, 100.0, dtype) };
            Assert.Equal(100 * Math.Sqrt(1000), GradientClipping.Apply([weight], 1, 0), 1e-2); // sum of squares 1e7, beyond float16
        }
    }

    [Fact]
    public void A_resumed_bfloat16_run_equals_the_uninterrupted_one_bit_for_bit()
    {
        using var whole = Model(ScalarType.BFloat16, dropout: 0.1);
        using var first = Model(ScalarType.BFloat16, dropout: 0.1);
        using var second = Model(ScalarType.BFloat16, dropout: 0.1);
        var options = Options(12);
        (options.LearningRate, options.AccumulationCount, options.CheckpointInterval) = (1e-4, 2, 4);
        using var wholeTrainer = new Trainer(new LanguageModelTask(whole, Data, 32, 4, 1), options);
        var expected = Run(wholeTrainer);
        Directory.Delete(Checkpoints, recursive: true);
        using (var trainer = new Trainer(new LanguageModelTask(first, Data, 32, 4, 1), options))
        using (var stop = new CancellationTokenSource())
            Assert.Throws<OperationCanceledException>(() => trainer.Run(new Synchronous(step => { if (step.Step == 5) stop.Cancel(); }), stop.Token));

        using var resumed = new Trainer(new LanguageModelTask(second, Data, 32, 4, 1), options);
        Assert.True(resumed.Resume());
        Assert.Equal(expected.Skip(5).Select(step => step.Loss), Run(resumed).Select(step => step.Loss));
        using var scope = NewDisposeScope();
        foreach (var (name, parameter) in whole.named_parameters())
            Assert.True(parameter.Equals(second.get_parameter(name)!), name);
        Assert.All(wholeTrainer.Average!.Tensors, pair =>
        {
            Assert.Equal(ScalarType.Float32, pair.Value.dtype);
            Assert.True(pair.Value.Equals(resumed.Average!.Tensors[pair.Key]), pair.Key);
        });
    }

    [Fact]
    public void The_average_follows_the_copies_and_not_their_roundings()
    {
        using var task = new ConstantPull(ScalarType.BFloat16, [1], [1], 1);
        using var trainer = new Trainer(task, new() { Steps = 10, LearningRate = 1e-4, AverageDecay = 0.5, Shape = LearningRateShape.Constant, WeightDecay = 0 });
        trainer.Run();
        Assert.Equal([1], task.Values); // 1 - 1e-3 rounds to 1
        using var average = trainer.Average!.Tensors["weight"].clone();
        Assert.InRange(average.item<float>(), 0.9990, 0.9994);
    }

    [Fact]
    public void A_weight_that_somebody_changed_between_steps_is_taken_over()
    {
        using var task = new ConstantPull(ScalarType.BFloat16, [1, 1], [1, 1], 1);
        using var trainer = new Trainer(task, new() { Steps = 2, LearningRate = 1e-4, Shape = LearningRateShape.Constant, WeightDecay = 0 });
        trainer.Run(new Synchronous(step =>
        {
            using var frozen = no_grad();
            using var scope = NewDisposeScope();
            if (step.Step == 1)
                task.Weight.select(1, 0).fill_(5);
        }));
        Assert.Equal([5, 1], task.Values);
    }

    [Fact]
    public void Float16_is_refused_by_the_parameters_name_with_what_to_do()
    {
        using var task = new ConstantPull(ScalarType.Float16, [1], [1], 1);
        var error = Assert.Throws<ConfigurationException>(() => new Trainer(task, new()));
        Assert.Contains("'weight' is of float16", error.Message, StringComparison.Ordinal);
        Assert.Contains("bfloat16", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Training_bfloat16_leaves_no_live_tensor_behind() => LiveTensors.Unchanged("training", () =>
    {
        using var task = new ConstantPull(ScalarType.BFloat16, Start, Pull, 1);
        using var trainer = new Trainer(task, Slow(5));
        trainer.Run();
        trainer.Save();
        Assert.True(trainer.Resume());
    });

    private TrainingOptions Slow(long steps) => new()
    {
        Steps = steps,
        LearningRate = 1e-5,
        WeightDecay = 0.1,
        Shape = LearningRateShape.Constant,
        CheckpointFolder = Checkpoints,
    };
}
