using System.Reflection;

namespace LmKit.Fuzz.Tests;

/// <summary>A new public reader needs a target, or a word here why it needs none.</summary>
public class CoverageTests
{
    private static readonly string[] Verbs = ["Load", "Read", "Open", "Resume", "Restore", "Parse", "From", "Find"];
    private static readonly string[] Sources = ["path", "folder", "file", "text", "json", "source", "judgment", "paths", "published", "stream", "bytes", "root"];

    // A reader of ours, and the targets that go through it.
    private static readonly Dictionary<string, string[]> Covered = new()
    {
        ["AdapterConfig.Read"] = ["adapter-config"],
        ["AdapterFile.Load"] = ["adapter", "adapter-golden"],
        ["AdapterFile.ReadConfig"] = ["adapter"],
        ["ActivationStore"] = ["activation-store"],
        ["AutoencoderFile.Find"] = ["sae-dictionary_learning", "sae-llama_scope", "sae-sparsify", "sae-topafa"],
        ["AutoencoderFile.Load"] = ["sae-dictionary_learning", "sae-gemma_scope", "sae-llama_scope", "sae-openai", "sae-sae_lens_gated", "sae-sae_lens_jumprelu", "sae-sae_lens_legacy_topk", "sae-sae_lens_standard", "sae-sparsify", "sae-topafa", "sae-written"],
        ["ChatTemplate.FromTokenizerConfig"] = ["template-config"],
        ["ChatTemplate.Parse"] = ["template"],
        ["ChatTemplateFormat.Load"] = ["published-tokenizer"],
        ["CheckpointLoader.Load"] = ["model-weights", "dictionary-folder"],
        ["DatasetRecord.ReadAll"] = ["dataset-records"],
        ["DictionaryConfig.FromJson"] = ["dictionary-folder"],
        ["DictionaryFolder.Load"] = ["dictionary-folder"],
        ["DictionaryFolder.ReadConfig"] = ["dictionary-folder"],
        ["H3Checkpoint.FromTensors"] = ["call-h3-tensors"],
        ["H3Checkpoint.Open"] = ["h3-checkpoint"],
        ["JsonlSource"] = ["jsonl", "jsonl-gz"],
        ["Judgment.ReadAll"] = ["judgments"],
        ["LanguageModel.Load"] = ["model-config", "model-weights", "model-sharded", "model-foreign"],
        ["ModelConfig.FromJson"] = ["model-config"],
        ["NonInstructionalDataset.RunAsync"] = ["dataset-journal"],
        ["OptionsJson.Read"] = ["model-config", "dictionary-folder"],
        ["ParquetSource"] = ["parquet"],
        ["PickleReader.Read"] = ["pickle-pt"],
        ["PickleReader.ReadTensors"] = ["sae-topafa"],
        ["MultipleChoice.Run"] = ["multiple-choice"],
        ["PublishedLayout.FromJson"] = ["published-config"],
        ["PublishedLayout.Read"] = ["published-config"],
        ["PublishedModel.Load"] = ["published-config", "published-weights"],
        ["SafetensorsReader"] = ["safetensors"],
        ["SafetensorsReader.ReadAll"] = ["safetensors"],
        ["SingleJudge.RunAsync"] = ["judgments"],
        ["StateFile.Restore"] = ["mixer-state"],
        ["TextDocuments.Read"] = ["text-documents"],
        ["TextFileSource"] = ["text-gz", "text-source"],
        ["TokenDataset.Open"] = ["token-file"],
        ["TokenizerFiles.Load"] = ["tokenizer", "published-tokenizer"],
        ["TokenizerFiles.LoadVocabulary"] = ["tokenizer"],
        ["Trainer.Resume"] = ["trainer-checkpoint", "finetune-checkpoint", "denoising-checkpoint", "distill-checkpoint", "autoencoder-checkpoint"],
        ["VerdictParser"] = ["verdicts"],
    };

    [Fact]
    public void Every_public_reader_has_a_target()
    {
        var missing = Readers().Select(reader => reader.Name).Distinct().Where(name => !Covered.ContainsKey(name)).Order(StringComparer.Ordinal);

        Assert.Empty(missing);
    }

    [Fact]
    public void What_is_called_covered_is_there_and_has_its_targets()
    {
        var types = Assemblies().SelectMany(assembly => assembly.GetExportedTypes()).ToLookup(type => type.Name.Split('`')[0]);

        Assert.All(Covered.Keys, name => Assert.True(
            types[name.Split('.')[0]].Any(type => !name.Contains('.', StringComparison.Ordinal) || type.GetMember(name.Split('.')[1]).Length > 0), $"{name} is not there any more"));
        Assert.All(Covered.Values.SelectMany(targets => targets), target => Assert.NotNull(TargetList.Find(target)));
    }

    [Fact]
    public void Every_target_is_named_by_a_reader() =>
        Assert.Empty(TargetList.All.Select(target => target.Name).Except(Covered.Values.SelectMany(targets => targets)));

    [Fact]
    public void Every_layout_of_published_autoencoders_has_a_target() =>
        Assert.Equal(
            Enum.GetNames<AutoencoderLayout>().Order(StringComparer.Ordinal),
            new[] { ("DictionaryLearning", "sae-dictionary_learning"), ("GemmaScope", "sae-gemma_scope"), ("LlamaScope", "sae-llama_scope"), ("OpenAi", "sae-openai"), ("SaeLens", "sae-sae_lens_standard"), ("Sparsify", "sae-sparsify"), ("TopAfa", "sae-topafa") }
                .Where(layout => TargetList.All.Any(target => target.Name == layout.Item2)).Select(layout => layout.Item1).Order(StringComparer.Ordinal));

    // Static methods, methods that resume, and constructors that take a path.
    private static IEnumerable<(string Name, MethodBase Method)> Readers() =>
        from assembly in Assemblies()
        from type in assembly.GetExportedTypes()
        where !typeof(Exception).IsAssignableFrom(type) && !type.IsAbstract || type.IsAbstract && type.IsSealed || type.Name.EndsWith("Trainer", StringComparison.Ordinal)
        from method in type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly).Where(method => Reads(method)).Select(method => (MethodBase)method)
            .Concat(type.GetConstructors().Where(TakesFile))
        select (method is ConstructorInfo ? type.Name : $"{type.Name}.{method.Name}", method);

    private static bool Reads(MethodInfo method) =>
        Verbs.Any(verb => method.Name.StartsWith(verb, StringComparison.Ordinal)) && (method.Name == "Resume" || method.GetParameters().Any(parameter => IsSource(parameter)));

    // Writers and options have names as well; a source is a type that is read from.
    private static bool TakesFile(ConstructorInfo constructor) =>
        constructor.GetParameters() is [var first, ..] && first.Name is "path" or "paths" or "folder"
        && (constructor.DeclaringType!.Name.EndsWith("Reader", StringComparison.Ordinal) || constructor.DeclaringType.Name.EndsWith("Source", StringComparison.Ordinal) || constructor.DeclaringType.Name.EndsWith("Store", StringComparison.Ordinal));

    private static bool IsSource(ParameterInfo parameter) => Sources.Contains(parameter.Name)
        && (parameter.ParameterType == typeof(string) || parameter.ParameterType == typeof(Stream) || parameter.Name == "published");

    private static Assembly[] Assemblies() =>
        [typeof(LanguageModel).Assembly, typeof(DiffusionTransformer).Assembly, typeof(SparseAutoencoder).Assembly, typeof(LambdaMask).Assembly, typeof(H3Mixer).Assembly, typeof(MonarchLinear).Assembly, typeof(LoraLinear).Assembly];
}
