using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>Whatever is done to a model with adapters, merged or not, it computes what its parameters and its configuration say.</summary>
[NoTensorLeak]
public class MergeLawTests
{
    private const double Tolerance = 1e-9;

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Every_order_of_changes_gives_what_the_definition_says(int seed)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var random = new Random(seed);
        var builder = AdapterLaws.Draw(random);
        var model = builder.Build();
        Awake.Up(model, (ulong)seed);
        var done = new List<string>();
        var merges = 0;
        try
        {
            for (var step = 0; step < 14; step++)
            {
                done.Add(Change(ref model, builder, random, folder, ref merges));
                Close.Check(string.Join(", ", done), AdapterLaws.Definition(model), AdapterLaws.Logits(model), absolute: Tolerance);
            }
        }
        finally
        {
            model.Dispose();
        }
        Assert.True(merges > 0, "Nothing was merged.");
    }

    [Theory]
    [InlineData(MergeMode.KeepAdapter)]
    [InlineData(MergeMode.Densify)]
    public void A_saved_model_has_the_same_bytes_merged_or_not(MergeMode mode)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = ToyModel.Builder().AddAttention().AddMonarchLinear(m => m.BlockCount = 2, sites: ["fc1"])
            .UseLora(l => l.Rank = 2).UseLora(l => (l.Rank, l.IsWeightDecomposed) = (3, true), sites: ["q_proj"]).Build();
        Awake.Up(model);
        model.Save(folder["apart"]);
        AdapterLaws.Logits(model);
        Assert.True(LoraAdapters.Merge(model, mode) > 0);
        var tuned = AdapterLaws.Logits(model);
        model.Save(folder["merged"]);

        foreach (var file in new[] { "config.json", "model.safetensors" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(folder["apart"], file)), File.ReadAllBytes(Path.Combine(folder["merged"], file)));
        using var loaded = LanguageModel.Load(folder["merged"], kinds => kinds.AddTuning().AddStructured());
        Close.Check("logits", tuned, AdapterLaws.Logits(loaded), absolute: Tolerance);
    }

    [Fact]
    public void A_weight_average_and_a_checkpoint_of_a_run_see_the_base_and_the_factors()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.DropoutRate) = (2, 0), sites: ["q_proj"]).Build();
        using var twin = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.DropoutRate) = (2, 0), sites: ["q_proj"]).Build();
        var options = new TrainingOptions { Steps = 4, LearningRate = 0.01, AverageDecay = 0.9, CheckpointFolder = folder["run"] };
        using (var trainer = new Trainer(Task(model), options))
        {
            trainer.Run();
            LoraAdapters.Merge(model);
            var plain = AdapterLaws.Logits(model);
            using (trainer.Average!.Swap())
                Close.Check("average", AdapterLaws.Definition(model), AdapterLaws.Logits(model), absolute: Tolerance);
            Close.Check("put back", plain, AdapterLaws.Logits(model), absolute: Tolerance);
            _ = trainer.Save();
        }
        using var resumed = new Trainer(Task(twin), options);
        LoraAdapters.Merge(twin);
        _ = AdapterLaws.Logits(twin);
        Assert.True(resumed.Resume());
        Close.Check("resumed", AdapterLaws.Logits(model), AdapterLaws.Logits(twin), absolute: Tolerance);
    }

    [Theory]
    [InlineData("factors")]
    [InlineData("base")]
    [InlineData("memory, and the model was told")]
    public void Values_written_by_hand_are_seen(string what)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention().UseLora(l => l.Rank = 2, sites: ["q_proj"]).Build();
        LoraAdapters.Merge(model);
        _ = AdapterLaws.Logits(model);
        if (what == "base")
        {
            foreach (var (_, parameter) in model.named_parameters().Where(pair => pair.name.Contains("q_proj.", StringComparison.Ordinal) && pair.name.EndsWith("base_layer.weight", StringComparison.Ordinal)))
                parameter.mul_(-1);
        }
        else if (what.StartsWith("memory", StringComparison.Ordinal))
        {
            foreach (var (_, parameter) in model.named_parameters().Where(pair => pair.name.EndsWith("lora_B", StringComparison.Ordinal)))
                parameter.bytes = (parameter + 1).bytes;
            IPreparedWeights.ForgetAll(model);
        }
        else
        {
            Awake.Up(model);
        }

        Close.Check("logits", AdapterLaws.Definition(model), AdapterLaws.Logits(model), absolute: Tolerance);
    }

    [Fact]
    public void A_loop_of_ones_own_trains_a_merged_model_as_it_would_an_unmerged_one()
    {
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.DropoutRate) = (2, 0), sites: ["q_proj", "fc1"]).Build();
        using var twin = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.DropoutRate) = (2, 0), sites: ["q_proj", "fc1"]).Build();
        LoraAdapters.Merge(model);
        foreach (var each in new[] { model, twin })
        {
            _ = LoraAdapters.FreezeOthers(each);
            using var optimizer = optim.SGD(each.parameters().Where(p => p.requires_grad), 0.1);
            for (var step = 0; step < 3; step++)
            {
                _ = AdapterLaws.Logits(each);
                optimizer.zero_grad();
                each.call(tensor(AdapterLaws.Tokens, [1, AdapterLaws.Tokens.Length]), null).square().mean().backward();
                _ = optimizer.step();
            }
            each.train();
            each.eval();
            using var again = each.call(tensor(AdapterLaws.Tokens, [1, AdapterLaws.Tokens.Length]), null);
        }
        Assert.True(model.named_parameters().First(p => p.name.EndsWith("lora_B", StringComparison.Ordinal)).parameter.abs().max().item<double>() > 0);
        Close.Check("logits", AdapterLaws.Logits(twin), AdapterLaws.Logits(model), absolute: Tolerance);
    }

    [Fact]
    public void Half_precision_is_summed_in_single()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var site = Sites.Make(64, 5, true, ScalarType.BFloat16);
        using var lora = new LoraLinear(new LoraOptions { Rank = 4, DropoutRate = 0 }, new DenseLinear(site), site);
        Awake.Up(lora);
        lora.eval();
        var W = lora.get_parameter("base_layer.weight")!.to(ScalarType.Float64);
        var exact = W + mm(lora.get_parameter("lora_B")!.to(ScalarType.Float64), lora.get_parameter("lora_A")!.to(ScalarType.Float64)) * (lora.Alpha / lora.Rank);

        Close.Check("sum", exact.to(ScalarType.BFloat16), lora.ToDense());
    }

    [Fact]
    public void Calls_side_by_side_share_one_sum_that_is_made_anew_under_them()
    {
        using var model = ToyModel.Builder().AddAttention().UseLora(l => l.Rank = 2).Build();
        Awake.Up(model);
        LoraAdapters.Merge(model);
        using var expected = AdapterLaws.Logits(model);
        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 4 }, index =>
        {
            using var scope = NewDisposeScope();
            if (index % 4 == 0)
                _ = model.call(tensor(AdapterLaws.Tokens, [1, AdapterLaws.Tokens.Length]), null); // with gradients: unmerged
            Close.Check("logits", expected, AdapterLaws.Logits(model), absolute: Tolerance);
        });
    }

    [Fact]
    public void A_move_to_another_type_takes_the_sum_along()
    {
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder().AddAttention().AddMonarchLinear(m => m.BlockCount = 2, sites: ["fc1"]).UseLora(l => l.Rank = 2).Build();
        Awake.Up(model);
        var expected = AdapterLaws.Logits(model);
        LoraAdapters.Merge(model, MergeMode.Densify);
        _ = AdapterLaws.Logits(model);
        _ = model.to(ScalarType.Float32);

        Close.Check("logits", expected, AdapterLaws.Logits(model), absolute: 1e-4);
        LoraAdapters.Unmerge(model);
        Close.Check("unmerged", expected, AdapterLaws.Logits(model), absolute: 1e-4);
    }

    [Fact]
    public void An_adapter_over_somebody_elses_wrapper_notices_the_adapter_within()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var site = Sites.Make(6, 5);
        var within = new LoraLinear(new LoraOptions { Rank = 2, DropoutRate = 0 }, new DenseLinear(site), site);
        using var outer = new LoraLinear(new LoraOptions { Rank = 2, DropoutRate = 0 }, new Wrapper(within), site);
        Awake.Up(outer);
        outer.eval();
        var x = ones(2, 6, ScalarType.Float64);
        Assert.True(outer.Merge(MergeMode.Densify));
        _ = outer.call(x);
        within.Strength = 3;
        var merged = outer.call(x);
        outer.Unmerge();

        Close.Check("output", outer.call(x), merged, absolute: Tolerance);
    }

    [Fact]
    public void When_one_sum_is_not_finite_none_is_merged()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention().UseLora(l => l.Rank = 2, sites: ["q_proj"]).Build();
        LoraAdapters.Of(model)[1].Adapter.get_parameter("lora_B")!.fill_(double.NaN);

        Assert.Contains("layers.1.mixer.q_proj", Assert.Throws<InvalidOperationException>(() => LoraAdapters.Merge(model)).Message, StringComparison.Ordinal);

        Assert.All(LoraAdapters.Of(model), entry => Assert.False(entry.Adapter.IsMerged));
    }

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(0, 40)];

    private static FineTuner Task(LanguageModel model) =>
        new(model, [new SupervisedExample([1, 2, 3, 4], [false, true, true, true])], new FineTuningOptions { RowLength = 8, RowCount = 1 });

    private static string Change(ref LanguageModel model, LanguageModelBuilder builder, Random random, TemporaryFolder folder, ref int merges)
    {
        var adapters = LoraAdapters.Of(model);
        var (name, one) = adapters[random.Next(adapters.Count)];
        switch (random.Next(11))
        {
            case 0:
                merges += LoraAdapters.Merge(model, random.Next(2) == 0 ? MergeMode.KeepAdapter : MergeMode.Densify);
                return "merge all";
            case 1:
            case 2:
                merges += one.Merge(MergeMode.Densify) || one.IsMerged ? 1 : 0;
                return $"merge {name}";
            case 3:
                one.Unmerge();
                return $"unmerge {name}";
            case 4:
                one.Strength = (random.NextDouble() * 3) - 1;
                return $"strength of {name}";
            case 5:
                one.IsEnabled = !one.IsEnabled;
                return $"switch {name}";
            case 6:
                LoraAdapters.Enable(model, random.Next(3) > 0);
                return "switch all";
            case 7:
                using (var other = builder.Build())
                {
                    Awake.Up(other, (ulong)random.Next());
                    return $"load adapter ({(TryFolder(other, model, folder) ? "taken" : "refused")})";
                }
            case 8:
                using (var plain = LoraAdapters.MergeAndUnload(model))
                {
                    Close.Check("unloaded", AdapterLaws.Definition(model), AdapterLaws.Logits(plain), absolute: Tolerance);
                    var wanted = ModuleTensors.Of(model).Keys.Where(key => !key.Contains(".lora_", StringComparison.Ordinal)).Select(key => key.Replace(".base_layer", "", StringComparison.Ordinal));
                    if (!wanted.ToHashSet().SetEquals(ModuleTensors.Of(plain).Keys))
                        return "unload a structured model";
                    LoraAdapters.LoadBase(model, ModuleTensors.Of(plain));
                    return "load base";
                }
            case 9:
                model.Save(folder["model"]);
                var loaded = LanguageModel.Load(folder["model"], kinds => kinds.AddTuning().AddStructured());
                Close.Check("loaded", AdapterLaws.Definition(model), AdapterLaws.Logits(loaded), absolute: Tolerance);
                model.Dispose();
                model = loaded;
                return "save and load";
            default:
                using (var state = new TemporaryFolder())
                {
                    SafetensorsWriter.Save(state["w"], ModuleTensors.Of(model));
                    Awake.Up(model, (ulong)random.Next());
                    CheckpointLoader.Load(model, state["w"]);
                }
                return "load weights";
        }
    }

    private static bool TryFolder(LanguageModel from, LanguageModel to, TemporaryFolder folder)
    {
        try
        {
            AdapterFile.Save(from, folder["adapter"]);
            AdapterFile.Load(to, folder["adapter"]);
            return true;
        }
        catch (AdapterException)
        {
            return false;
        }
    }

    private sealed class Wrapper : nn.Module<Tensor, Tensor>, ILinear
    {
        private readonly LoraLinear wrapped;

        internal Wrapper(LoraLinear wrapped)
            : base(nameof(Wrapper))
        {
            this.wrapped = wrapped;
            RegisterComponents();
        }

        public long InFeatures => wrapped.InFeatures;

        public long OutFeatures => wrapped.OutFeatures;

        public Tensor ToDense() => wrapped.ToDense();

        public override Tensor forward(Tensor x) => wrapped.call(x);
    }
}
