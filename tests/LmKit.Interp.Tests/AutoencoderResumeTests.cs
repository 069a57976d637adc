using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public sealed class AutoencoderResumeTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public static TheoryData<string> Options => [.. typeof(AutoencoderTaskOptions).GetProperties().Select(property => property.Name)];

    private string State => folder["run"];

    private string Saved => Path.Combine(State, "step-00000003");

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
        var property = typeof(AutoencoderTaskOptions).GetProperty(name)!;
        property.SetValue(options, property.GetValue(options) switch { long value => value + 1, double value => value / 2 + 1e-4, _ => "other" });
        using var autoencoder = TopK();
        var difference = Assert.Single(Refused(autoencoder, options).WrongValue).Name.Split('.')[^1];
        Assert.Equal(name.ToUpperInvariant(), difference.Replace("_", string.Empty, StringComparison.Ordinal).ToUpperInvariant());
    }

    [Fact]
    public void Without_a_decay_of_the_rate_a_run_may_be_made_longer()
    {
        var options = Fresh;
        options.DecayShare = 0;
        Save(options);
        options.Steps += 5;
        using var autoencoder = TopK();
        using var run = new AutoencoderRun(autoencoder, options, State);
        Assert.True(run.Trainer.Resume());
        Assert.Equal(3, run.Trainer.Step);
    }

    [Fact]
    public void A_store_goes_on_where_it_was_and_another_one_is_refused()
    {
        using var scope = NewDisposeScope();
        WriteStore("one", 1);
        WriteStore("two", 2);
        double[] Go(string store, int batchSize, long seed, int first, int rest)
        {
            Directory.Delete(Directory.CreateDirectory(State).FullName, recursive: true);
            using (var half = TopK())
            using (var source = new ActivationStore(folder["one"], 1))
            using (var run = new AutoencoderRun(AutoencoderTask.OnStore(half, source, 5, Fresh), State))
            {
                run.Advance(first);
                _ = run.Trainer.Save();
            }
            using var whole = TopK();
            using var again = new ActivationStore(folder[store], seed);
            using var resumed = new AutoencoderRun(AutoencoderTask.OnStore(whole, again, batchSize, Fresh), State);
            Assert.True(resumed.Trainer.Resume());
            Assert.Equal(first * 5, again.Position);
            resumed.Advance(rest);
            return Values(whole);
        }
        Assert.Equal(Go("one", 5, 1, 8, 0), Go("one", 5, 1, 3, 5));
        Assert.Equal("store_key", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => Go("one", 5, 2, 3, 5)).WrongValue).Name);
        Assert.Equal("store_key", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => Go("two", 5, 1, 3, 5)).WrongValue).Name);
        Assert.Equal("batch_size", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => Go("one", 6, 1, 3, 5)).WrongValue).Name);
        using var autoencoder = TopK();
        Assert.Equal(["batch_size", "store_key"], Refused(autoencoder, Fresh).WrongValue.Select(wrong => wrong.Name).Order());
    }

    [Theory]
    [InlineData("dictionary", "W_dec")]
    [InlineData("dictionary.optimizer", "W_enc.exp_avg")]
    [InlineData("dictionary.optimizer", "b_dec.exp_avg_sq")]
    public void A_value_that_is_not_finite_is_refused_by_file_and_tensor(string part, string name)
    {
        Save();
        CheckpointSurgery.ChangePart(Saved, part, tensors => tensors[name].flatten()[0].fill_(double.NaN));
        using var autoencoder = TopK();
        using var run = new AutoencoderRun(autoencoder, Fresh, State);
        var before = Values(autoencoder);
        var error = Assert.Throws<CheckpointException>(() => run.Trainer.Resume());
        Assert.Equal((Path.Combine(Saved, $"{part}.safetensors"), name), (error.FilePath, error.TensorName));
        Assert.Equal(0, run.Trainer.Step);
        Assert.Equal(before, Values(autoencoder));
    }

    [Theory]
    [InlineData("dictionary.optimizer", "W_enc.step")]
    [InlineData("progress", "silence")]
    [InlineData("progress", "window")]
    [InlineData("progress", "place")]
    public void A_count_below_zero_is_refused_by_name_and_nothing_is_changed(string part, string name)
    {
        Save();
        CheckpointSurgery.ChangePart(Saved, part, tensors => tensors[name].fill_(-1));
        using var autoencoder = TopK();
        var error = Refused(autoencoder, Fresh);
        Assert.Equal((name, "-1"), (error.WrongValue[0].Name, error.WrongValue[0].Found));
    }

    [Fact]
    public void A_bfloat16_dictionary_learns_through_float32_copies_and_goes_on_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        double[] Go(int first, int rest)
        {
            Directory.Delete(Directory.CreateDirectory(State).FullName, recursive: true);
            using (var half = TopK(dtype: ScalarType.BFloat16))
            using (var run = new AutoencoderRun(half, Slow, State))
            {
                run.Advance(first);
                _ = run.Trainer.Save();
            }
            using var whole = TopK(dtype: ScalarType.BFloat16);
            using var resumed = new AutoencoderRun(whole, Slow, State);
            Assert.True(resumed.Trainer.Resume());
            resumed.Advance(rest);
            return [.. Values(whole), .. Master(resumed.Trainer.Save())];
        }
        double[] Master(string checkpoint)
        {
            using var reader = new SafetensorsReader(Path.Combine(checkpoint, "dictionary.masters.safetensors"));
            return DoublesOf(reader.Read("W_enc"));
        }
        Assert.Equal(Go(40, 0), Go(15, 25));

        // Steps of 1e-5 are below bfloat16's spacing, and yet they add up.
        using var single = TopK(dtype: ScalarType.Float32);
        using var start = TopK(dtype: ScalarType.BFloat16);
        using (no_grad())
        {
            foreach (var (name, parameter) in single.named_parameters())
                parameter.copy_(start.get_parameter(name)!);
        }
        var before = DoublesOf(single.get_parameter("W_enc")!);
        using (var run = new AutoencoderRun(single, Slow))
            run.Advance(40);
        var (moved, master) = (DoublesOf(single.get_parameter("W_enc")!), Master(Path.Combine(State, "step-00000040")));
        var way = Math.Sqrt(moved.Zip(before, (a, b) => (a - b) * (a - b)).Sum());
        Assert.True(Math.Sqrt(moved.Zip(master, (a, b) => (a - b) * (a - b)).Sum()) < 0.2 * way);
    }

    [Fact]
    public void Float16_and_options_out_of_range_are_refused_by_name()
    {
        using var autoencoder = TopK(dtype: ScalarType.Float16);
        Assert.Contains("of float16", Assert.Throws<ConfigurationException>(() => new AutoencoderRun(autoencoder, Fresh)).Message, StringComparison.Ordinal);
        Assert.Contains("Epsilon = 0", Assert.Throws<ConfigurationException>(() => new AutoencoderRun(autoencoder, new AutoencoderTaskOptions { Epsilon = 0 })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(nameof(TrainingOptions.Steps), 5L)]
    [InlineData(nameof(TrainingOptions.LearningRate), 0.01)]
    [InlineData(nameof(TrainingOptions.Beta2), 0.99)]
    [InlineData(nameof(TrainingOptions.WeightDecay), 0.0)]
    [InlineData(nameof(TrainingOptions.MaxGradientNorm), 2.0)]
    [InlineData(nameof(TrainingOptions.WarmupSteps), 2L)]
    [InlineData(nameof(TrainingOptions.AccumulationCount), 2)]
    public void An_option_of_the_run_that_the_task_brings_itself_is_refused_by_name(string name, object value)
    {
        using var autoencoder = TopK();
        using var task = AutoencoderTask.OnBatches(autoencoder, Enumerable.Empty<Tensor>(), Fresh);
        var options = new TrainingOptions();
        typeof(TrainingOptions).GetProperty(name)!.SetValue(options, value);
        Assert.Contains($"TrainingOptions.{name} = ", Assert.Throws<ConfigurationException>(() => new Trainer(task, options)).Message, StringComparison.Ordinal);
    }

    private static AutoencoderTaskOptions Fresh => new() { Steps = 10, DecayShare = 0.5, LearningRate = 0.01, DataId = "mine" };

    private static AutoencoderTaskOptions Slow => new() { Steps = 100, LearningRate = 1e-5 };

    private void Check(SparseAutoencoder autoencoder, AutoencoderTaskOptions options, string? difference)
    {
        if (difference is not null)
        {
            Assert.Contains(difference, Refused(autoencoder, options).Message, StringComparison.Ordinal);
            return;
        }
        using var run = new AutoencoderRun(autoencoder, options, State);
        Assert.True(run.Trainer.Resume());
        Assert.Equal(3, run.Trainer.Step);
    }

    private CheckpointMismatchException Refused(SparseAutoencoder autoencoder, AutoencoderTaskOptions options)
    {
        using var run = new AutoencoderRun(autoencoder, options, State);
        var before = Values(autoencoder);
        var error = Assert.Throws<CheckpointMismatchException>(() => run.Trainer.Resume());
        Assert.Equal(0, run.Trainer.Step);
        Assert.Equal(before, Values(autoencoder));
        return error;
    }

    private void Save(AutoencoderTaskOptions? options = null)
    {
        using var autoencoder = TopK();
        using var run = new AutoencoderRun(autoencoder, options ?? Fresh, State);
        run.Advance(3);
        _ = run.Trainer.Save();
    }

    private void WriteStore(string name, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(seed);
        using var writer = new ActivationStoreWriter(folder[name], new ActivationStoreInfo("toy", "layers.0", 4, 8));
        writer.Append(randn([20, 4], generator: random));
        writer.Complete();
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
