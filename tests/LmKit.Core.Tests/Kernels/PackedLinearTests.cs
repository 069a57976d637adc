using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

[NoTensorLeak]
[Trait("Category", "Kernel")]
public class PackedLinearTests
{
    [Fact]
    public void A_bias_that_alone_is_trained_gets_its_gradient_from_packed_linears_in_evaluation()
    {
        using var scope = NewDisposeScope();
        using var model = new LanguageModelBuilder { VocabSize = 11, ModelDim = 16, LayerCount = 1 }.AddAttention(attention => (attention.HeadCount, attention.HasBias) = (2, true)).AddPackedLinear().Build();
        model.eval();
        var biases = model.named_parameters().Where(pair => pair.name.EndsWith("q_proj.bias", StringComparison.Ordinal)).Select(pair => pair.parameter).ToArray();
        foreach (var parameter in model.parameters())
            parameter.requires_grad = false;
        Assert.NotEmpty(biases);
        biases[0].requires_grad = true;
        model.call(tensor(new long[] { 1, 2, 3, 4 }, [1, 4]), null).sum().backward();
        Assert.NotNull(biases[0].grad);
        Assert.True(biases[0].grad!.abs().sum().item<float>() > 0);
    }

    [Theory]
    [InlineData(WeightFormat.Full)]
    [InlineData(WeightFormat.BFloat16)]
    public void Every_vector_width_gives_the_product(WeightFormat format)
    {
        foreach (var (rows, inputs, outputs) in new[] { (1, 1, 1), (1, 2, 16), (3, 7, 17), (4, 8, 32), (5, 33, 15), (9, 64, 100), (11, 5, 9), (16, 3, 40), (1, 768, 768) })
        {
            using var scope = NewDisposeScope();
            using var random = new Generator(1);
            var (x, weight, bias) = (randn([rows, inputs], generator: random), randn([outputs, inputs], generator: random), randn([outputs], generator: random));
            var seen = format == WeightFormat.Full ? weight : weight.to(ScalarType.BFloat16).to(ScalarType.Float32);
            var expected = nn.functional.linear(x.to(ScalarType.Float64), seen.to(ScalarType.Float64), bias.to(ScalarType.Float64));
            foreach (var width in SimdWidth.All)
            {
                using var packed = PackedWeight.Of(weight, format, width);
                var y = PackedLinear.Cpu(x, packed, bias);

                Close.Check($"{rows} x {inputs} to {outputs}, {width} bits", expected, y.to(ScalarType.Float64), absolute: 1e-5, relativeToLargest: 2e-6);
            }
        }
    }

    [Fact]
    public void Two_threads_give_what_one_gives_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make(1024, 1024, new PackedLinearOptions { Format = WeightFormat.Full });
        var x = ones(2, 1024);
        var before = get_num_threads();
        var one = linear.call(x);
        set_num_threads(2);
        try
        {
            Close.Check("y", one, linear.call(x));
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void Strides_offsets_and_leading_axes_do_not_matter()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make(6, 5, new PackedLinearOptions());
        var x = arange(12, ScalarType.Float32).reshape(2, 6);
        var expected = linear.call(x);

        Close.Check("transposed", expected, linear.call(x.t().contiguous().t()));
        Close.Check("offset", expected, linear.call(cat([zeros(6), x.reshape(-1)]).narrow(0, 6, 12).view(2, 6)));
        Close.Check("axes", expected, linear.call(x.view(2, 1, 6)).view(2, 5));
        Assert.Equal([0, 5], linear.call(zeros(0, 6)).shape);
        Assert.Equal([5], linear.call(zeros(6)).shape);
    }

    [Fact]
    public void Many_rows_see_the_weights_that_one_row_sees()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make(40, 24, new PackedLinearOptions());
        using var random = new Generator(2);
        var x = randn([50, 40], generator: random);

        Close.Check("rows", linear.call(x).narrow(0, 3, 1), linear.call(x.narrow(0, 3, 1)), absolute: 5e-6);
        using var dense = linear.ToDense();
        Assert.False(dense.Equals(linear.get_parameter("weight")!), "bfloat16 rounds");
    }

    [Fact]
    public void Training_sees_the_whole_weight_and_what_it_changes_is_seen_afterwards()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(8, 4, new PackedLinearOptions { Format = WeightFormat.Full });
        var x = ones(1, 8);
        using (no_grad())
            _ = linear.call(x);
        linear.train();
        linear.call(x).sum().backward();
        using (no_grad())
            linear.get_parameter("weight")!.add_(linear.get_parameter("weight")!.grad!);
        linear.eval();
        using var frozen = no_grad();

        Close.Check("y", nn.functional.linear(x, linear.get_parameter("weight")!, linear.get_parameter("bias")), linear.call(x), absolute: 1e-5);
        Assert.Equal(1, linear.get_parameter("weight")!.grad!.min().item<float>());
    }

    [Fact]
    public void Training_in_evaluation_mode_is_seen_too()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(8, 4, new PackedLinearOptions { Format = WeightFormat.Full });
        var x = ones(1, 8);
        using (no_grad())
            _ = linear.call(x);
        using var optimizer = optim.SGD(linear.parameters(), 0.1);
        linear.call(x).sum().backward();
        _ = optimizer.step();
        using var frozen = no_grad();

        Close.Check("y", nn.functional.linear(x, linear.get_parameter("weight")!, linear.get_parameter("bias")), linear.call(x), absolute: 1e-5);
    }

    [Fact]
    public void Loading_and_moving_are_seen_without_asking()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make(8, 4, new PackedLinearOptions { Format = WeightFormat.Full });
        var x = ones(1, 8);
        _ = linear.call(x);
        CheckpointLoader.Load(linear, new Dictionary<string, Tensor> { ["weight"] = ones(4, 8), ["bias"] = zeros(4) });

        Assert.Equal([8, 8, 8, 8], linear.call(x).data<float>().ToArray());
        linear.to(ScalarType.Float64);
        Assert.Equal(8, linear.call(ones(1, 8, ScalarType.Float64))[0, 0].item<double>());
        linear.get_parameter("weight")!.fill_(2);
        linear.to(ScalarType.Float32);
        Assert.Equal(16, linear.call(x)[0, 0].item<float>());
    }

    [Fact]
    public void A_weight_average_is_seen_while_it_is_in_place_and_not_after()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(8, 4, new PackedLinearOptions { Format = WeightFormat.Full });
        using var average = new WeightAverage(linear, 0.5);
        using var frozen = no_grad();
        linear.get_parameter("weight")!.fill_(1);
        var x = ones(1, 8);
        var own = linear.call(x);
        Tensor averaged;
        using (average.Swap())
            averaged = linear.call(x);

        Assert.False(own.Equals(averaged));
        Assert.True(own.Equals(linear.call(x)));
    }

    [Fact]
    public void A_dense_checkpoint_loads_and_the_kind_is_found_in_a_configuration()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var dense = ToyModel.Builder(dtype: ScalarType.Float32).AddAttention().Build();
        var config = ToyModel.Builder(dtype: ScalarType.Float32).AddAttention().AddPackedLinear(packed => packed.Format = WeightFormat.Full).Config.ToJson();
        using var packed = LanguageModel.Build(ModelConfig.FromJson(config), new ComponentRegistry());
        CheckpointLoader.Load(packed, dense.state_dict());
        var tokens = tensor(new long[] { 1, 2, 3 }, [1, 3]);

        Close.Check("logits", dense.call(tokens, null), packed.call(tokens, null), absolute: 1e-5);
        Assert.Contains("\"full\"", config, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_packed_head_gives_the_same_greedy_tokens_and_sees_training_and_loading(bool isTied)
    {
        using var scope = NewDisposeScope();
        using var dense = Model(isTied, packs: null);
        using var packed = Model(isTied, WeightFormat.Full);
        CheckpointLoader.Load(packed, dense.state_dict());
        var prompt = tensor(new long[] { 1, 2, 3 }, [1, 3]);
        Check("built");
        var loss = packed.call(prompt, null).square().mean();
        loss.backward();
        using (no_grad())
        {
            foreach (var (ours, theirs) in packed.parameters().Zip(dense.parameters()))
                theirs.copy_(ours.sub_(ours.grad! * 0.1));
        }
        Check("trained");
        using var other = Model(isTied, packs: null, seed: 9);
        CheckpointLoader.Load(packed, other.state_dict());
        CheckpointLoader.Load(dense, other.state_dict());
        Check("loaded");
        Assert.Equal(dense.named_parameters().Select(pair => pair.name), packed.named_parameters().Select(pair => pair.name));

        void Check(string name)
        {
            using var frozen = no_grad();
            Close.Check(name, dense.call(prompt, null), packed.call(prompt, null), absolute: 1e-5);
            Assert.Equal(Greedy(dense), Greedy(packed));
        }

        long[] Greedy(LanguageModel model)
        {
            var sampler = new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 });
            long[] tokens = [];
            foreach (var grid in sampler.Sample(prompt, 12))
            {
                tokens = grid.data<long>().ToArray();
                grid.Dispose();
            }
            return tokens;
        }
    }

    [Fact]
    public void A_rounded_head_is_half_as_large_and_rounds_every_call()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(isTied: true, WeightFormat.BFloat16);
        Assert.Single(model.modules().OfType<TiedLinear>());
        using var random = new Generator(2);
        var hidden = randn([1, 20, ToyModel.ModelDim], generator: random);
        var rounded = model.get_parameter("embeddings.word_embeddings.weight")!.to(ScalarType.BFloat16).to(ScalarType.Float32);
        var expected = nn.functional.linear(hidden, rounded);

        Close.Check("many rows", expected, model.Logits(hidden), absolute: 1e-5);
        Close.Check("one row", expected.narrow(1, 4, 1), model.Logits(hidden.narrow(1, 4, 1)), absolute: 1e-5);
    }

    [Fact]
    public void Only_a_component_that_names_the_head_reaches_it_and_a_tied_one_takes_packing_only()
    {
        using var scope = NewDisposeScope();
        using var model = Builder(isTied: false).AddPackedLinear().Build();
        Assert.Contains(model.named_modules(), pair => pair.name == "lm_head" && pair.module is DenseLinear);
        using var both = Builder(isTied: true).AddPackedLinear(sites: ["q_proj", LinearSite.Head]).AddDenseLinear(sites: ["lm_head"]).Build();
        var kind = Slots.Linear.Define("other", site => new DenseLinear(site));

        var error = Assert.Throws<ConfigurationException>(() => Builder(isTied: true).Add(kind, sites: ["lm_head"]).Build());

        Assert.Contains("'other' cannot stand at lm_head", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, null)]
    [InlineData(true, WeightFormat.Full)]
    [InlineData(true, WeightFormat.BFloat16)]
    [InlineData(false, WeightFormat.Full)]
    public void A_head_refuses_another_width(bool isTied, WeightFormat? packs)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(isTied, packs);

        Assert.Contains($"(..., {ToyModel.ModelDim}); got (1, 1, 4)", Assert.Throws<ArgumentException>(() => model.Logits(zeros(1, 1, 4))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_head_takes_neither_layers_nor_a_linear_of_other_widths()
    {
        var wrapper = Slots.LinearWrapper.Define("wrapper", place => place.Inner);
        var narrow = Slots.Linear.Define("narrow", site => new DenseLinear(site with { OutFeatures = 3 }));
        var layered = Assert.Throws<ConfigurationException>(() => Builder(isTied: false).AddPackedLinear(sites: ["lm_head"], layers: [0]).Build());
        var other = Assert.Throws<ConfigurationException>(() => Builder(isTied: true).Add(wrapper, sites: ["nothing"]).Build());
        var wrong = Assert.Throws<ConfigurationException>(() => Builder(isTied: false).Add(narrow, sites: ["lm_head"]).Build());

        Assert.Contains("'packed' is given layers", layered.Message, StringComparison.Ordinal);
        Assert.Contains("fc1, fc2, lm_head.", other.Message, StringComparison.Ordinal);
        Assert.Contains("lm_head maps 8 to 3 features; 8 to 11", wrong.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_wrapper_that_names_the_head_stands_there_and_one_for_all_linears_does_not(bool isTied)
    {
        using var scope = NewDisposeScope();
        List<string> said = [];
        using var model = Builder(isTied).Add(TaggedLinear.Wrapper("head", said), sites: ["lm_head"]).Add(TaggedLinear.Wrapper("layers", said)).Build();
        using var plain = Builder(isTied).Build();
        var hidden = ones(1, 2, ToyModel.ModelDim);

        Close.Check("logits", plain.Logits(hidden), model.Logits(hidden));
        Assert.Equal(["head"], said);
    }

    [Fact]
    public void Narrower_registers_read_a_copy_of_their_own()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(4);
        using var weight = new TorchSharp.Modules.Parameter(randn([17, 6], generator: random), requires_grad: false);
        using var map = new PackedMap(new PackedLinearOptions { Format = WeightFormat.Full });
        var x = randn([2, 6], generator: random);
        foreach (var bits in SimdWidth.All.Concat(SimdWidth.All))
        {
            using var limit = SimdWidth.Limit(bits);
            Close.Check($"{bits} bits", nn.functional.linear(x, weight), map.Apply(x, weight, null, isTraining: false), absolute: 1e-5);
        }
    }

    private static LanguageModelBuilder Builder(bool isTied, ulong seed = 5)
    {
        var builder = ToyModel.Builder(dtype: ScalarType.Float32);
        (builder.Options.IsHeadTied, builder.Options.Seed) = (isTied, seed);
        return builder.AddAttention();
    }

    private static LanguageModel Model(bool isTied, WeightFormat? packs, ulong seed = 5)
    {
        var builder = Builder(isTied, seed);
        return packs is { } format ? builder.AddPackedLinear(packed => packed.Format = format, [LinearSite.Head]).Build() : builder.Build();
    }

    private static PackedLinear Make(long inputs, long outputs, PackedLinearOptions options)
    {
        using var random = new Generator(7);
        var linear = new PackedLinear(options, new LinearSite("fc", 0, inputs, outputs, true, 0.5, new ParameterFactory(random)));
        linear.eval();
        return linear;
    }
}
