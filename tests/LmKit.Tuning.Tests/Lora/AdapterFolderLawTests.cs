using System.Text.Json;
using System.Text.RegularExpressions;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>A folder says all of what the adapters of a model are, or is not written.</summary>
[NoTensorLeak]
public class AdapterFolderLawTests
{
    public static TheoryData<int> Seeds() => [.. Enumerable.Range(0, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Any_mixture_comes_back_or_is_refused(int seed)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var random = new Random(seed);
        var builder = AdapterLaws.Draw(random, isStacked: false, isUniform: true);
        using var model = builder.Build();
        using var twin = builder.Build();
        Awake.Up(model, (ulong)seed);
        Awake.Up(twin, (ulong)seed + 100);
        var isScaled = random.Next(2) == 0;
        foreach (var (_, adapter) in isScaled ? LoraAdapters.Of(model) : [])
            adapter.Strength = (random.NextDouble() * 4) - 2;
        var isMerged = random.Next(2) == 0 && LoraAdapters.Merge(model) > 0;
        try
        {
            AdapterFile.Save(model, folder["a"]);
        }
        catch (AdapterException refused)
        {
            Assert.Contains("use_dora", refused.Message, StringComparison.Ordinal); // one site at least cannot be decomposed
            return;
        }

        ByTheFile(model, folder["a"]);
        if (isMerged)
            LoraAdapters.Merge(twin, MergeMode.Densify);
        AdapterFile.Load(twin, folder["a"]);
        Close.Check("logits", AdapterLaws.Logits(model), AdapterLaws.Logits(twin), absolute: 1e-9);
        // Afterwards the folder written from the twin is the same one.
        AdapterFile.Save(twin, folder["b"]);
        foreach (var file in new[] { "adapter_config.json", "adapter_model.safetensors" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(folder["a"], file)), File.ReadAllBytes(Path.Combine(folder["b"], file)));
    }

    [Fact]
    public void One_name_that_ends_with_another_gets_its_own_values()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var builder = ToyModel.Builder(layerCount: 3).AddAttention()
            .UseLora(l => (l.Rank, l.Alpha) = (1, 1), sites: ["q_proj"], layers: [0])
            .UseLora(l => (l.Rank, l.Alpha) = (2, 5), sites: ["q_proj"], layers: [1])
            .UseLora(l => (l.Rank, l.Alpha) = (3, 9), sites: ["q_proj"], layers: [2]);
        using var model = builder.Build();
        Awake.Up(model);
        string Renamed(string name) => name.Replace("layers.0.", "", StringComparison.Ordinal).Replace("layers.1.", "a.", StringComparison.Ordinal).Replace("layers.2.", "b.a.", StringComparison.Ordinal);

        AdapterFile.Save(model, folder["a"], Renamed);

        ByTheFile(model, folder["a"], Renamed);
        using var twin = builder.Build();
        AdapterFile.Load(twin, folder["a"], Renamed);
        Close.Check("logits", AdapterLaws.Logits(model), AdapterLaws.Logits(twin), absolute: 1e-9);
    }

    [Fact]
    public void Embeddings_adapters_are_saved_loaded_and_scaled_with_the_others()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = new TableAndLinear();
        using var twin = new TableAndLinear();
        Awake.Up(model);
        using (no_grad())
            model.Table.get_parameter("lora_embedding_A")!.fill_(0.5);
        model.Table.Strength = 0.5;
        AdapterFile.Save(model, folder["a"]);
        using (var reader = new SafetensorsReader(Path.Combine(folder["a"], "adapter_model.safetensors")))
            Assert.Contains("base_model.model.table.lora_embedding_A", reader.Entries.Select(entry => entry.Name));

        twin.Table.Strength = 0.5;
        AdapterFile.Load(twin, folder["a"]);

        Close.Check("table", model.Table.ToDense(), twin.Table.ToDense(), absolute: 1e-12);
        LoraAdapters.Enable(twin, false);
        Close.Check("off", twin.Table.get_parameter("base_layer.weight")!, twin.Table.ToDense());
        Close.Check("off in calls", twin.Table.ToDense()[1], twin.Table.call(tensor(1L)));
    }

    // Reads a folder with PEFT's rules, without a line of the package, and compares each module's update.
    private static void ByTheFile(LanguageModel model, string folder, Func<string, string>? name = null)
    {
        using var text = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")));
        var config = text.RootElement;
        using var reader = new SafetensorsReader(Path.Combine(folder, "adapter_model.safetensors"));
        using var frozen = no_grad();
        foreach (var (own, adapter) in LoraAdapters.Of(model))
        {
            var module = name?.Invoke(own) ?? own;
            Assert.Contains(config.GetProperty("target_modules").EnumerateArray(), target => module == target.GetString() || module.EndsWith("." + target.GetString(), StringComparison.Ordinal));
            var (r, alpha) = (Of("rank_pattern", "r"), Of("alpha_pattern", "lora_alpha"));
            var scale = alpha / (config.GetProperty("use_rslora").GetBoolean() ? Math.Sqrt(r) : r);
            var (A, B) = (reader.Read($"base_model.model.{module}.lora_A.weight"), reader.Read($"base_model.model.{module}.lora_B.weight"));
            Assert.Equal(r, A.size(0));
            var root = ((ILinear)model.named_modules().First(entry => entry.name == own + ".base_layer").module).ToDense();
            var expected = root + (mm(B, A) * scale);
            if (config.GetProperty("use_dora").GetBoolean())
                expected = reader.Read($"base_model.model.{module}.lora_magnitude_vector").unsqueeze(1) * expected / expected.square().sum(1, keepdim: true).sqrt();
            Close.Check(module, expected, adapter.ToDense(), absolute: 1e-9);

            double Of(string patterns, string otherwise)
            {
                foreach (var member in config.GetProperty(patterns).EnumerateObject().Where(member => Regex.IsMatch(module, $@"^(.*\.)?({member.Name})$")))
                    return member.Value.GetDouble();
                return config.GetProperty(otherwise).GetDouble();
            }
        }
    }

    private sealed class TableAndLinear : nn.Module
    {
        private readonly LoraEmbedding table;
        private readonly LoraLinear linear;

        internal TableAndLinear()
            : base(nameof(TableAndLinear))
        {
            var parameters = new ParameterFactory(new Generator(4), ScalarType.Float64);
            var site = Sites.Make(6, 5, path: "linear");
            table = new LoraEmbedding(new LoraOptions { Rank = 2, Alpha = 6 }, new EmbeddingTable(7, 6, 1, parameters), parameters);
            linear = new LoraLinear(new LoraOptions { Rank = 3 }, new DenseLinear(site), site);
            RegisterComponents();
        }

        internal LoraEmbedding Table => table;
    }
}
