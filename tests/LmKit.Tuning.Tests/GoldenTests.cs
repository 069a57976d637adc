using LmKit.Conformance;
using TorchSharp;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

[GoldenArea("tuning")]
public partial class GoldenTests(ITestOutputHelper output) : GoldenSuite(output)
{
    private const double DoubleTolerance = 1e-10;
    private const double SingleTolerance = 2e-5;
    private const double AdapterTolerance = 2e-6;

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>
    {
        ["lora_layers"] = Layers,
        ["lora_monarch"] = Monarch,
        ["peft_adapter"] = Adapter,
        ["sft_loss"] = SupervisedLoss,
        ["packing"] = Packing,
        ["lr_schedules"] = Schedules,
        ["adamw"] = Optimizer,
        ["chat_templates"] = Templates,
        ["split_halves"] = Halves,
        ["judge_parse"] = Verdicts,
        ["bradley_terry"] = PairwiseRatings,
        ["bootstrap"] = Intervals,
    };

    private static void Layers(GoldenCase golden)
    {
        foreach (var group in golden.Groups('.'))
        {
            if (group.StartsWith("multi", StringComparison.Ordinal))
                Several(golden, group);
            else if (group.StartsWith("emb", StringComparison.Ordinal))
                Embedding(golden, group);
            else
                Layer(golden, group);
        }
    }

    // An option of a case that has a text of options, or the value of the data's README.
    private static double Setting(GoldenCase golden, string group, string key, double published) =>
        golden.Options.Has(group) ? golden.Options.Nested(group).Number(key, published) : published;

    private static void Layer(GoldenCase golden, string group)
    {
        Tensor Read(string name) => golden.Tensor($"{group}.{name}");
        Tensor? Optional(string name) => golden.Has($"{group}.{name}") ? Read(name) : null;
        var stated = golden.Options.Nested(group);
        var isTransposed = stated.Flag("ff");
        var (A, B, x) = (Read("A"), Read("B"), Read("x").requires_grad_());
        var W = isTransposed ? Read("W").t().contiguous() : Read("W");
        var site = Sites.Make(W.size(1), W.size(0), golden.Has($"{group}.b"), W.dtype);
        var options = new LoraOptions
        {
            Rank = (int)A.size(0),
            Alpha = stated.Number("al"),
            IsRankStabilized = stated.Flag("rs"),
            DropoutRate = 0,
            HasBias = stated.Flag("lb"),
            IsWeightDecomposed = stated.Flag("dora"),
        };
        foreach (var (key, value) in new (string, object)[] { ("i", W.size(1)), ("o", W.size(0)), ("r", A.size(0)), ("bias", golden.Has($"{group}.b")), ("dt", W.dtype == ScalarType.Float32 ? "torch.float32" : "torch.float64"), ("shape", $"({string.Join(", ", x.shape[..^1])}{(x.dim() == 2 ? "," : string.Empty)})") })
            stated.Agrees(key, value);
        golden.Check($"{group}.scaling", options.Alpha / (options.IsRankStabilized ? Math.Sqrt(options.Rank) : options.Rank), 1e-12);
        using var lora = new LoraLinear(options, Sites.Dense(W, Optional("b")), site);
        Sites.Fill(lora, "lora_A", A);
        Sites.Fill(lora, "lora_B", B);
        if (options.HasBias)
            Sites.Fill(lora, "lora_bias", Read("lora_B_bias"));
        if (options.IsWeightDecomposed)
            Sites.Fill(lora, "lora_magnitude_vector", Read("magnitude").reshape(-1));

        var y = lora.call(x);
        y.backward([Read("dy")]);

        Check("y", y);
        Check("dx", x.grad!);
        Check("dA", lora.get_parameter("lora_A")!.grad!);
        Check("dB", lora.get_parameter("lora_B")!.grad!);
        if (options.HasBias)
            Check("dlora_B_bias", lora.get_parameter("lora_bias")!.grad!);
        if (options.IsWeightDecomposed)
            Check("dmagnitude", lora.get_parameter("lora_magnitude_vector")!.grad!.reshape(Read("dmagnitude").shape));
        lora.eval();
        using var frozen = no_grad();
        lora.Merge();
        _ = lora.call(x);
        var weight = lora.get_parameter("base_layer.weight")!;
        weight.bytes = (weight + 1).bytes; // past libtorch and so unseen: a merged call reads the sum, not the base
        Check("y_merged", lora.call(x));
        if (golden.Has($"{group}.b_merged"))
            Check("b_merged", lora.call(zeros(W.size(1), W.dtype)));
        Sites.Fill(lora, "base_layer.weight", W);
        Check("W_merged", isTransposed ? lora.ToDense().t() : lora.ToDense());
        lora.Unmerge();
        Check("y", lora.call(x)); // exact, where the published way leaves an error
        golden.Options.Describe($"{group}.peft_unmerge_max_abs_error");

        void Check(string name, Tensor actual)
        {
            var expected = Read(name);
            Close.Check($"{group}.{name}", expected, actual, absolute: expected.dtype == ScalarType.Float32 ? SingleTolerance : DoubleTolerance);
        }
    }

    private static void Several(GoldenCase golden, string group)
    {
        Tensor Read(string name) => golden.Tensor($"{group}.{name}");
        var (W, x) = (Read("W"), Read("x"));
        var site = Sites.Make(W.size(1), W.size(0), false);
        var a = Adapter("a", Setting(golden, group, "al_a", 4), Sites.Dense(W, null));
        using var b = Adapter("b", Setting(golden, group, "al_b", 3), a);

        Close.Check("multi.y_ab", Read("y_ab"), b.call(x), absolute: DoubleTolerance);
        a.IsEnabled = false;
        Close.Check("multi.y_b", Read("y_b"), b.call(x), absolute: DoubleTolerance);

        LoraLinear Adapter(string name, double alpha, ILinear inner)
        {
            var (A, B) = (Read($"{name}.A"), Read($"{name}.B"));
            var lora = new LoraLinear(new LoraOptions { Rank = (int)A.size(0), Alpha = alpha }, inner, site);
            lora.eval();
            Sites.Fill(lora, "lora_A", A);
            Sites.Fill(lora, "lora_B", B);
            return lora;
        }
    }

    private static void Embedding(GoldenCase golden, string group)
    {
        Tensor Read(string name) => golden.Tensor($"{group}.{name}");
        var (E, A) = (Read("E"), Read("A"));
        var parameters = new ParameterFactory(new Generator(1), E.dtype);
        var table = new EmbeddingTable(E.size(0), E.size(1), 1, parameters);
        Sites.Fill(table, "weight", E);
        using var lora = new LoraEmbedding(new LoraOptions { Rank = (int)A.size(0), Alpha = Setting(golden, group, "al", 6) }, table, parameters, paddingIndex: (long)Setting(golden, group, "padding_idx", 0));
        Sites.Fill(lora, "lora_embedding_A", A);
        Sites.Fill(lora, "lora_embedding_B", Read("B"));

        var y = lora.call(Read("ids"));
        y.backward([Read("dy")]);

        Close.Check("emb.y", Read("y"), y, absolute: DoubleTolerance);
        Close.Check("emb.dA", Read("dA"), lora.get_parameter("lora_embedding_A")!.grad!, absolute: DoubleTolerance);
        Close.Check("emb.dB", Read("dB"), lora.get_parameter("lora_embedding_B")!.grad!, absolute: DoubleTolerance);
        Close.Check("emb.E_merged", Read("E_merged"), lora.ToDense(), absolute: DoubleTolerance);
    }

    private static void Monarch(GoldenCase golden)
    {
        var (A, B, x) = (golden.Tensor("A"), golden.Tensor("B"), golden.Tensor("x").requires_grad_());
        var (w1, w2) = (golden.Tensor("w1_bfly"), golden.Tensor("w2_bfly"));
        foreach (var (key, value) in new (string, object)[] { ("k", w1.size(0)), ("q", w1.size(1)), ("p", w1.size(2)), ("l", w2.size(0)), ("s", w2.size(1)), ("r", w2.size(2)), ("rank", A.size(0)) })
            golden.Options.Agrees(key, value);
        var alpha = golden.Options.Number("alpha");
        golden.Check("scaling", alpha / A.size(0), 1e-12);
        var inner = new FixedMonarch(w1, w2);
        var site = Sites.Make(inner.InFeatures, inner.OutFeatures, false);
        Check("y_base", inner.call(x));
        Check("dense_base", inner.ToDense());
        using var lora = new LoraLinear(new LoraOptions { Rank = (int)A.size(0), Alpha = alpha, DropoutRate = 0 }, inner, site);
        Sites.Fill(lora, "lora_A", A);
        Sites.Fill(lora, "lora_B", B);

        var y = lora.call(x);
        y.backward([golden.Tensor("dy")]);

        Check("y", y);
        Check("dx", x.grad!);
        Check("dA", lora.get_parameter("lora_A")!.grad!);
        Check("dB", lora.get_parameter("lora_B")!.grad!);
        lora.eval();
        using var frozen = no_grad();
        lora.Merge(MergeMode.Densify);
        Check("dense_merged", lora.ToDense());
        Check("y", lora.call(x));

        void Check(string name, Tensor actual) => Close.Check(name, golden.Tensor(name), actual, absolute: DoubleTolerance);
    }

    private static void Adapter(GoldenCase golden)
    {
        var config = AdapterFile.ReadConfig(golden.Path);
        using var io = golden.Inside("base_and_io.safetensors");
        io.Options.Describe("heads"); // the toy model in words, as in the data's README
        using var model = new PublishedToy(io, config);
        var ids = io.Tensor("ids");
        model.eval();
        Close.Check("logits_base", io.Tensor("logits_base"), model.call(ids), absolute: AdapterTolerance);

        AdapterFile.Load(model, golden.Path);

        Close.Check("logits_adapter", io.Tensor("logits_adapter"), model.call(ids), absolute: AdapterTolerance);
        using (no_grad())
        {
            LoraAdapters.Merge(model);
            Close.Check("logits_adapter merged", io.Tensor("logits_adapter"), model.call(ids), absolute: AdapterTolerance);
        }
        foreach (var name in io.Names("merged."))
            Close.Check(name, io.Tensor(name), model.Weight(name["merged.".Length..]), absolute: AdapterTolerance);
        SavedAgain(golden, model, config);
    }

    private static void SavedAgain(GoldenCase golden, PublishedToy model, AdapterConfig config)
    {
        using var folder = new TemporaryFolder();
        var saved = Path.Combine(folder.Path, "adapter");
        AdapterFile.Save(model, saved, like: config);
        using var before = golden.Inside("adapter_model.safetensors");
        before.Options.Describe("format"); // the framework that wrote it
        using var after = new GoldenCase(Path.Combine(saved, "adapter_model.safetensors"), golden.Kind);
        Assert.Equal(before.Names().Order(), after.Names().Order());
        foreach (var name in before.Names())
            Close.Check(name, before.Tensor(name), after.Tensor(name));
        using var given = golden.Inside("adapter_config.json");
        var theirs = given.Json();
        using var written = new GoldenCase(Path.Combine(saved, "adapter_config.json"), golden.Kind);
        foreach (var member in written.Json().EnumerateObject())
        {
            if (theirs.TryGetProperty(member.Name, out var expected) && expected.ValueKind != System.Text.Json.JsonValueKind.Null)
                Assert.Equal(expected.GetRawText().Replace(" ", "", StringComparison.Ordinal), member.Value.GetRawText().Replace(" ", "", StringComparison.Ordinal), ignoreWhiteSpaceDifferences: true);
        }
    }
}
