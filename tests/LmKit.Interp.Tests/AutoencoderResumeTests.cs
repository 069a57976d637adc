using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public sealed class AutoencoderResumeTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public static TheoryData<string> Options => [.. typeof(SparseAutoencoderTrainingOptions).GetProperties().Select(property => property.Name)];

    private string State => folder["state.safetensors"];

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(3, "dictionary.active_count: expected 3, found 2")]
    [InlineData(2, null)]
    public void Another_k_is_refused(long k, string? difference)
    {
        Save();
        using var other = TopK(options => options.ActiveCount = k);
        Check(other, Fresh, difference);
    }

    [Fact]
    public void Another_kind_or_other_options_of_it_are_refused()
    {
        Save();
        using var random = new Generator(0);
        using var batch = new BatchTopKAutoencoder(new BatchTopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2 }, new ParameterFactory(random));
        Check(batch, Fresh, "dictionary: expected BatchTopKAutoencoder, found TopKAutoencoder");
        using var normalised = TopK(options => options.InputNormalization = InputNormalization.PerRowStandardize);
        Check(normalised, Fresh, "dictionary.input_normalization: expected per_row_standardize, found none");
        using var free = TopK(options => options.Constraint = DecoderConstraint.Free);
        Check(free, Fresh, "dictionary.constraint: expected free, found unit_rows");
    }

    [Theory]
    [MemberData(nameof(Options))]
    public void Every_option_of_training_is_compared(string name)
    {
        Save();
        var options = Fresh;
        var property = typeof(SparseAutoencoderTrainingOptions).GetProperty(name)!;
        property.SetValue(options, property.GetValue(options) switch { long value => value + 1, double value => value / 2 + 1e-4, _ => "other" });
        using var autoencoder = TopK();
        var error = Refused(autoencoder, options);
        Assert.Equal(name.ToUpperInvariant(), Assert.Single(error.WrongValue).Name.Replace("_", string.Empty, StringComparison.Ordinal).ToUpperInvariant());
    }

    [Fact]
    public void Without_a_decay_of_the_rate_a_run_may_be_made_longer()
    {
        var options = Fresh;
        options.DecayShare = 0;
        Save(options);
        options.Steps += 5;
        using var autoencoder = TopK();
        using var trainer = new SparseAutoencoderTrainer(autoencoder, options);
        trainer.Resume(State);
        Assert.Equal(3, trainer.Step);
    }

    [Fact]
    public void A_store_goes_on_where_it_was_and_another_one_is_refused()
    {
        using var scope = NewDisposeScope();
        WriteStore("one", 1);
        WriteStore("two", 2);
        double[] Run(string store, long seed, int first, int rest)
        {
            var (half, whole) = (TopK(), TopK());
            using (half)
            using (var source = new ActivationStore(folder[store], 1))
            using (var trainer = new SparseAutoencoderTrainer(half, Fresh, source))
            {
                for (var step = 0; step < first; step++)
                    Advance(trainer, source);
                trainer.Save(State);
            }
            using (whole)
            using (var source = new ActivationStore(folder[store == "one" ? "one" : "two"], seed))
            using (var trainer = new SparseAutoencoderTrainer(whole, Fresh, source))
            {
                trainer.Resume(State);
                Assert.Equal(first * 5, source.Position);
                for (var step = 0; step < rest; step++)
                    Advance(trainer, source);
                return Values(whole);
            }
        }
        Assert.Equal(Run("one", 1, 8, 0), Run("one", 1, 3, 5));
        Assert.Equal("store_key", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => Run("one", 2, 3, 5)).WrongValue).Name);
        using var other = new ActivationStore(folder["two"], 1);
        using var autoencoder = TopK();
        using var second = new SparseAutoencoderTrainer(autoencoder, Fresh, other);
        Assert.Equal("store_key", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => second.Resume(State)).WrongValue).Name);
        using var none = new SparseAutoencoderTrainer(autoencoder, Fresh);
        Assert.Throws<CheckpointMismatchException>(() => none.Resume(State));

        static void Advance(SparseAutoencoderTrainer trainer, ActivationStore source)
        {
            using var batch = source.Next(5);
            trainer.Advance(batch);
        }
    }

    [Theory]
    [InlineData("model.W_dec")]
    [InlineData("exp_avg.W_enc")]
    [InlineData("exp_avg_sq.b_dec")]
    public void A_value_that_is_not_finite_is_refused_by_file_and_tensor(string name)
    {
        Save();
        Change((tensors, _) => tensors[name].flatten()[0].fill_(double.NaN));
        using var autoencoder = TopK();
        using var trainer = new SparseAutoencoderTrainer(autoencoder, Fresh);
        var before = Values(autoencoder);
        var error = Assert.Throws<CheckpointException>(() => trainer.Resume(State));
        Assert.Equal((State, name), (error.FilePath, error.TensorName));
        Assert.Equal(0, trainer.Step);
        Assert.Equal(before, Values(autoencoder));
    }

    [Fact]
    public void Whatever_is_wrong_with_the_file_one_exception_names_it()
    {
        Save();
        var good = File.ReadAllBytes(State);
        string Refusal(Action damage)
        {
            File.WriteAllBytes(State, good);
            damage();
            using var autoencoder = TopK();
            using var trainer = new SparseAutoencoderTrainer(autoencoder, Fresh);
            var message = Assert.Throws<CheckpointException>(() => trainer.Resume(State)).Message;
            Assert.StartsWith(State, message, StringComparison.Ordinal);
            return message;
        }
        Refusal(() => File.WriteAllBytes(State, good[..^9]));
        Refusal(() => File.WriteAllBytes(State, []));
        Refusal(() => File.WriteAllBytes(State, [.. good[..^1], (byte)(good[^1] ^ 1)]));
        Refusal(() => File.Delete(State));
        Assert.Contains("not a JSON object", Refusal(() => Change((_, metadata) => metadata["lmkit.run"] = "null")), StringComparison.Ordinal);
        Assert.Contains("JSON", Refusal(() => Change((_, metadata) => metadata["lmkit.run"] = metadata["lmkit.run"][..50])), StringComparison.Ordinal);
        Assert.Contains("'step' is -3", Refusal(() => Change((_, metadata) => metadata["lmkit.run"] = metadata["lmkit.run"].Replace("\"step\": 3", "\"step\": -3", StringComparison.Ordinal))), StringComparison.Ordinal);
        Assert.Contains("ends at 10", Refusal(() => Change((_, metadata) => metadata["lmkit.run"] = metadata["lmkit.run"].Replace("\"step\": 3", "\"step\": 11", StringComparison.Ordinal))), StringComparison.Ordinal);
        File.WriteAllBytes(State, good);
        Change((_, metadata) => metadata.Clear());
        using var old = TopK();
        Assert.Contains("earlier versions cannot be resumed", Refused(old, Fresh).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void State_that_is_not_finite_is_never_saved()
    {
        Save();
        var good = File.ReadAllBytes(State);
        using var autoencoder = TopK();
        using var trainer = new SparseAutoencoderTrainer(autoencoder, Fresh);
        using (no_grad())
            autoencoder.get_parameter("b_dec")!.fill_(double.NaN);
        Assert.Contains("model.b_dec", Assert.Throws<TrainingDivergedException>(() => trainer.Save(State)).Message, StringComparison.Ordinal);
        Assert.Equal(good, File.ReadAllBytes(State));
    }

    [Fact]
    public void A_bfloat16_dictionary_learns_through_float32_copies_and_goes_on_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        double[] Run(int first, int rest)
        {
            using (var half = TopK(dtype: ScalarType.BFloat16))
            using (var trainer = new SparseAutoencoderTrainer(half, Slow))
            {
                Advance(trainer, 0, first);
                trainer.Save(State);
            }
            using var whole = TopK(dtype: ScalarType.BFloat16);
            using var resumed = new SparseAutoencoderTrainer(whole, Slow);
            resumed.Resume(State);
            Advance(resumed, first, rest);
            resumed.Save(State);
            using var reader = new SafetensorsReader(State);
            return [.. Values(whole), .. DoublesOf(reader.Read("masters.W_enc"))];
        }
        Assert.Equal(Run(40, 0), Run(15, 25));

        // Steps of 1e-5 are below bfloat16's spacing, and yet they add up.
        using var single = TopK(dtype: ScalarType.Float32);
        using var start = TopK(dtype: ScalarType.BFloat16);
        using (no_grad())
        {
            foreach (var (name, parameter) in single.named_parameters())
                parameter.copy_(start.get_parameter(name)!);
        }
        var before = DoublesOf(single.get_parameter("W_enc")!);
        using (var trainer = new SparseAutoencoderTrainer(single, Slow))
            Advance(trainer, 0, 40);
        using var saved = new SafetensorsReader(State);
        var (moved, master) = (DoublesOf(single.get_parameter("W_enc")!), DoublesOf(saved.Read("masters.W_enc")));
        var way = Math.Sqrt(moved.Zip(before, (a, b) => (a - b) * (a - b)).Sum());
        Assert.True(Math.Sqrt(moved.Zip(master, (a, b) => (a - b) * (a - b)).Sum()) < 0.2 * way);
    }

    [Fact]
    public void Float16_is_refused_by_name()
    {
        using var autoencoder = TopK(dtype: ScalarType.Float16);
        Assert.Contains("of float16", Assert.Throws<ConfigurationException>(() => new SparseAutoencoderTrainer(autoencoder, Fresh)).Message, StringComparison.Ordinal);
        Assert.Contains("Epsilon = 0", Assert.Throws<ConfigurationException>(() => new SparseAutoencoderTrainer(autoencoder, new() { Epsilon = 0 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_batch_without_rows_is_refused_in_words()
    {
        using var autoencoder = TopK();
        using var trainer = new SparseAutoencoderTrainer(autoencoder, Fresh);
        using var empty = zeros(0, 4);
        using var flat = zeros(4);
        Assert.Contains("(0, 4)", Assert.Throws<ArgumentException>(() => trainer.Advance(empty)).Message, StringComparison.Ordinal);
        Assert.Contains("(4)", Assert.Throws<ArgumentException>(() => trainer.Advance(flat)).Message, StringComparison.Ordinal);
        Assert.Equal(0, trainer.Step);
    }

    [Fact]
    public void Training_records_gradients_whatever_mode_its_caller_is_in()
    {
        double[] Run(bool isFrozen)
        {
            using var autoencoder = TopK();
            using var trainer = new SparseAutoencoderTrainer(autoencoder, Fresh);
            using var mode = isFrozen ? no_grad() : null;
            Advance(trainer, 0, 3);
            return Values(autoencoder);
        }
        Assert.Equal(Run(false), Run(true));
    }

    [Fact]
    public void A_step_that_fails_leaves_the_weights_and_the_penalty_as_they_were()
    {
        using var autoencoder = TopK(options => options.SparsityCoefficient = 0.5);
        var options = Fresh;
        options.SparsityWarmupSteps = 10;
        using var trainer = new SparseAutoencoderTrainer(autoencoder, options);
        var before = Values(autoencoder);
        using var huge = full([4, 4], 1e30);
        Assert.Throws<TrainingDivergedException>(() => trainer.Advance(huge));
        Assert.Equal(0.5, autoencoder.Options.SparsityCoefficient);
        Assert.Equal(before, Values(autoencoder));
        Assert.Equal(0, trainer.Step);
    }

    [Fact]
    public void Batches_that_arrive_in_their_own_time_leave_no_live_tensor_behind()
    {
        using var autoencoder = TopK();
        using var trainer = new SparseAutoencoderTrainer(autoencoder, Fresh);
        Assert.True(trainer.RunAsync(AtOnce()).IsCompletedSuccessfully); // on this thread, so that its tensors are counted
        Assert.Equal(10, trainer.Step);

        static async IAsyncEnumerable<Tensor> AtOnce()
        {
            await System.Threading.Tasks.Task.CompletedTask;
            for (var step = 0; ; step++)
                yield return Batch(step);
        }
    }

    private static SparseAutoencoderTrainingOptions Fresh => new() { Steps = 10, DecayShare = 0.5, LearningRate = 0.01, DataId = "mine" };

    private static SparseAutoencoderTrainingOptions Slow => new() { Steps = 100, LearningRate = 1e-5 };

    private void Check(SparseAutoencoder autoencoder, SparseAutoencoderTrainingOptions options, string? difference)
    {
        if (difference is not null)
        {
            Assert.Contains(difference, Refused(autoencoder, options).Message, StringComparison.Ordinal);
            return;
        }
        using var trainer = new SparseAutoencoderTrainer(autoencoder, options);
        trainer.Resume(State);
        Assert.Equal(3, trainer.Step);
    }

    private CheckpointMismatchException Refused(SparseAutoencoder autoencoder, SparseAutoencoderTrainingOptions options)
    {
        using var trainer = new SparseAutoencoderTrainer(autoencoder, options);
        var before = Values(autoencoder);
        var error = Assert.Throws<CheckpointMismatchException>(() => trainer.Resume(State));
        Assert.Equal(0, trainer.Step);
        Assert.Equal(before, Values(autoencoder));
        return error;
    }

    private void Save(SparseAutoencoderTrainingOptions? options = null)
    {
        using var autoencoder = TopK();
        using var trainer = new SparseAutoencoderTrainer(autoencoder, options ?? Fresh);
        Advance(trainer, 0, 3);
        trainer.Save(State);
    }

    private void Change(Action<Dictionary<string, Tensor>, Dictionary<string, string>> change)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors;
        Dictionary<string, string> metadata;
        using (var reader = new SafetensorsReader(State))
            (tensors, metadata) = (reader.ReadAll(), reader.Metadata.ToDictionary());
        change(tensors, metadata);
        SafetensorsWriter.Save(State, tensors, metadata);
    }

    private void WriteStore(string name, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(seed);
        using var writer = new ActivationStoreWriter(folder[name], new ActivationStoreInfo("toy", "layers.0", 4, 8));
        writer.Append(randn([20, 4], generator: random));
        writer.Complete();
    }

    private static void Advance(SparseAutoencoderTrainer trainer, int start, int count)
    {
        for (var step = start; step < start + count; step++)
        {
            using var batch = Batch(step);
            trainer.Advance(batch);
        }
    }

    private static Tensor Batch(int step)
    {
        using var random = new Generator((ulong)step);
        return randn([6, 4], generator: random);
    }

    private static TopKAutoencoder TopK(Action<TopKOptions>? configure = null, ScalarType dtype = ScalarType.Float32)
    {
        using var random = new Generator(0);
        var options = new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2 };
        configure?.Invoke(options);
        return new TopKAutoencoder(options, new ParameterFactory(random, dtype));
    }

    private static double[] Values(nn.Module module) => [.. module.state_dict().Values.SelectMany(DoublesOf)];

    private static double[] DoublesOf(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).flatten().data<double>().ToArray();
    }
}
