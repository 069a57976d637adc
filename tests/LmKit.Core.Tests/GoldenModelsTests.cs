using LmKit.Conformance;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Published model families: tiny folders with what the official code computes from them.</summary>
[GoldenArea("core/models")]
public class GoldenModelsTests(ITestOutputHelper output) : GoldenSuite(output)
{
    // The data's README: largest difference over the largest expected value.
    private const double Exact = 1e-10;
    private const double Single = 5e-5;
    private const string Weights = "*.safetensors";

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } =
        ((string[])["bloom", "gemma2", "gemma3", "gpt2", "gptj", "llama", "mistral", "mpt", "neox", "olmo2", "phi3", "pythia", "qwen2", "qwen3"]).ToDictionary(family => family, _ => (Action<GoldenCase>)Folder);

    private static void Folder(GoldenCase golden)
    {
        foreach (var file in Directory.EnumerateFiles(golden.Path).Where(file => Path.GetFileName(file) != "expected.safetensors"))
            _ = golden.PathOf(Path.GetFileName(file));
        using var expected = golden.Inside("expected.safetensors");
        expected.Options.Describe("reference");
        var layout = PublishedLayout.Read(golden.Path);
        Assert.StartsWith(expected.Options.Text("family"), layout.Family, StringComparison.Ordinal);
        Assert.Equal(expected.Options.Whole("layers", layout.Config.ReadOptions().LayerCount), layout.Config.ReadOptions().LayerCount);
        foreach (var (dtype, tolerance) in new[] { (ScalarType.Float64, Exact), (ScalarType.Float32, Single) })
        {
            using var scope = NewDisposeScope();
            using var model = Load(golden.Path, dtype);
            CheckModel(expected, model, tolerance);
        }
        if (!File.Exists(Path.Combine(golden.Path, "config.v5.json")))
            return;
        using var newer = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(golden.Path, Weights).Where(file => Path.GetFileName(file) != "expected.safetensors"))
            File.Copy(file, Path.Combine(newer.Path, Path.GetFileName(file)));
        File.Copy(Path.Combine(golden.Path, "config.v5.json"), Path.Combine(newer.Path, "config.json"));
        using var same = Load(newer.Path, ScalarType.Float64);
        using var logits = same.call(expected.Tensor("input_ids"), null);
        expected.Check("logits", logits, relativeToLargest: Exact);
    }

    private static void CheckModel(GoldenCase expected, LanguageModel model, double tolerance)
    {
        var tokens = expected.Tensor("input_ids");
        var isFixed = !expected.Has("steps.logits"); // else keys keep the base of the call that brought them
        expected.Check("logits", Run(model, tokens), relativeToLargest: tolerance);
        if (expected.Has("hidden.0"))
            CheckHidden(expected, model, tokens, tolerance);
        if (expected.Has("padded.logits"))
            CheckPadded(expected, model, tolerance, isFixed);
        if (expected.Has("short.logits"))
            expected.Check("short.logits", Run(model, expected.Tensor("short.input_ids")), relativeToLargest: tolerance);
        if (isFixed && !expected.Has("short.logits"))
        {
            foreach (var step in new[] { 1, 5 })
                expected.Check("logits", InSteps(model, tokens, step), relativeToLargest: tolerance);
        }
        if (expected.Has("greedy.tokens"))
            CheckGreedy(expected, model);
    }

    private static Tensor Run(LanguageModel model, Tensor tokens)
    {
        using var frozen = no_grad();
        return model.call(tokens, null);
    }

    private static Tensor InSteps(LanguageModel model, Tensor tokens, int step)
    {
        using var frozen = no_grad();
        using var state = model.NewState(tokens.size(0));
        var parts = tokens.split(step, 1).Select(part => model.call(part, new SequenceContext { State = state })).ToArray();
        return cat(parts, 1);
    }

    private static void CheckHidden(GoldenCase expected, LanguageModel model, Tensor tokens, double tolerance)
    {
        var taps = new Dictionary<string, Tensor>();
        var points = new List<string> { "embeddings.out" };
        points.AddRange(Enumerable.Range(0, model.Blocks.Count).Select(layer => $"layers.{layer}.resid_post"));
        points.Add("ln_f.out");
        var attached = points.Select(point => model.HookPoints[point].Attach(value =>
        {
            taps[point] = value.detach().clone().DetachFromDisposeScope();
            return value;
        })).ToArray();
        _ = Run(model, tokens[..1]);
        foreach (var tap in attached)
            tap.Dispose();
        foreach (var (name, point) in points.Select((point, index) => (point == "ln_f.out" ? "hidden.final" : $"hidden.{index}", point)))
        {
            using var tapped = taps[point];
            expected.Check(name, tapped, relativeToLargest: tolerance);
        }
    }

    private static void CheckPadded(GoldenCase expected, LanguageModel model, double tolerance, bool isFixed)
    {
        var (tokens, mask) = (expected.Tensor("padded.input_ids"), expected.Tensor("padded.attention_mask"));
        // What the positions say is what documents do here.
        var positions = (mask.cumsum(1) - 1).masked_fill(mask.eq(0), 1L);
        expected.Equal("padded.position_ids", expected.Tensor("padded.position_ids").data<long>().ToArray(), positions.contiguous().data<long>().ToArray());
        var wanted = expected.Tensor("padded.logits");
        if (!isFixed)
            return;
        using var frozen = no_grad();
        var logits = model.call(tokens, new SequenceContext { Segments = mask - 1 });
        Close.Check("padded.logits", wanted, logits.masked_fill(mask.eq(0).unsqueeze(-1), 0), relativeToLargest: tolerance);
    }

    private static void CheckGreedy(GoldenCase expected, LanguageModel model)
    {
        using var frozen = no_grad();
        var (prompt, wanted) = (expected.Tensor("greedy.prompt"), expected.Tensor("greedy.tokens"));
        var sampler = new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 });
        var got = Array.Empty<long>();
        foreach (var grid in sampler.Sample(prompt, wanted.size(1)))
        {
            using (grid)
                got = [.. grid[.., (int)prompt.size(1)..].contiguous().data<long>()];
        }
        expected.Equal("greedy.tokens", wanted.data<long>().ToArray(), got);
    }

    private static LanguageModel Load(string folder, ScalarType dtype)
    {
        var layout = PublishedLayout.Read(folder);
        var model = LanguageModel.Build(layout.Config, new ComponentRegistry(), CPU, dtype, false);
        var files = Directory.EnumerateFiles(folder, Weights).Where(file => Path.GetFileName(file) != "expected.safetensors").ToArray();
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>();
        var entries = new List<SafetensorsEntry>();
        foreach (var file in files)
        {
            using var reader = new SafetensorsReader(file);
            entries.AddRange(reader.Entries);
            foreach (var (name, tensor) in reader.ReadAll())
                tensors[name] = tensor;
        }
        if (files.Length == 0)
        {
            tensors = PickleReader.ReadTensors(Path.Combine(folder, "pytorch_model.bin"));
            entries.AddRange(tensors.Select(pair => new SafetensorsEntry(pair.Key, pair.Value.dtype, pair.Value.shape, 0, 0)));
        }
        var names = layout.Match(entries);
        foreach (var name in names.Spare.Append(names.TiedHead ?? ""))
            _ = tensors.Remove(name);
        CheckpointLoader.Load(model, names.Map.ToOurs(tensors), allowCast: true);
        return model;
    }
}
