using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Readers of published models' folders: configurations of every family, and weights in each form of file.</summary>
internal static class PublishedTargets
{
    private const int LongestCall = 3;

    // One folder or more of each family, the newer spelling of configurations, and generation settings.
    private static readonly string[] configs =
    [
        "bloom", "bloom-post", "gemma2", "gemma3-linear", "gemma3-text", "gpt2-base", "gpt2-options", "gptj", "gptj-inner", "llama-dynamic", "llama-gqa", "llama-linear", "llama-yarn", "llama3-rope",
        "mistral-window", "mpt-clip", "olmo2", "phi3-longrope", "phi3-window", "pythia-quarter", "qwen2-window", "qwen3-tied",
    ];

    private static readonly string[] weights =
        ["bloom", "gpt2-base", "gpt2-base-bin", "gpt2-base-f16", "gpt2-base-sharded", "llama-gqa-bf16", "llama-gqa-bin", "llama-gqa-sharded", "mpt", "phi3-window", "pythia-parallel"];

    internal static IEnumerable<FuzzTarget> All =>
    [
        new("published-config", _ => { }, Read) { OwnSeeds = [.. configs.SelectMany(WithNewer)], Mutates = IsConfig },
        new("published-weights", _ => { }, Read) { OwnSeeds = [.. weights.Select(name => Folder(name, name))], Mutates = name => !IsConfig(name) },
    ];

    private static bool IsConfig(string name) => name is "config.json" or "generation_config.json";

    // Whoever opens a model wants to call it.
    private static string Read(string folder, string seed)
    {
        using var frozen = no_grad();
        using var published = PublishedModel.Load(folder);
        var model = published.Model;
        var length = Math.Min(model.ContextLength ?? LongestCall, LongestCall);
        using var logits = model.call(arange(length, dtype: ScalarType.Int64).remainder(model.VocabSize).unsqueeze(0), null);
        if (published.Describe().Length == 0 || logits.size(-1) != model.VocabSize)
            throw new UnreachableException("A model that was opened describes itself and has logits for each id.");
        var kinds = model.Config.Components.Select(entry => $"{entry.Slot}:{entry.Kind}");
        return new Digest().Add("components", string.Join(' ', kinds)).Add("ignored", string.Join(' ', published.Layout.IgnoredOptions.Take(100))).Add("spare", string.Join(' ', published.SpareTensors)).Add(model).ToString();
    }

    private static IEnumerable<CaseFiles> WithNewer(string name)
    {
        yield return Folder(name, name);
        var newer = Golden.Path($"core/models/{name}/config.v5.json");
        if (File.Exists(newer))
            yield return Folder(name + "-v5", name).With([KeyValuePair.Create("config.json", File.ReadAllBytes(newer))]);
    }

    private static CaseFiles Folder(string seed, string name)
    {
        var all = CaseFiles.Of(seed, Golden.Path($"core/models/{name}"));
        return all with { Files = all.Files.Where(file => file.Key is not ("expected.safetensors" or "config.v5.json")).ToDictionary(StringComparer.Ordinal) };
    }
}
