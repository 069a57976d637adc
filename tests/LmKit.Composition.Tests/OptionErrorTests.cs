using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>An error of an option says one sentence with both of its names and its value, whichever package the option is of.</summary>
[NoTensorLeak]
public sealed class OptionErrorTests
{
    private static readonly Dictionary<string, (string Option, string Place, Func<LanguageModelBuilder> Compose)> cases = new()
    {
        ["attention heads"] = ("AttentionOptions.HeadCount = 5", "$.components[0].options.num_attention_heads", () => Builder().AddAttention(a => a.HeadCount = 5)),
        ["attention key heads"] = ("AttentionOptions.KeyValueHeadCount = 3", "$.components[0].options.num_key_value_heads", () => Builder().AddAttention(a => (a.HeadCount, a.KeyValueHeadCount) = (4, 3))),
        ["attention range"] = ("AttentionOptions.SoftCap = 0", "$.components[0].options.attn_logit_softcapping", () => Builder().AddAttention(a => a.SoftCap = 0)),
        ["dropout under a mask"] = ("AttentionOptions.DropoutRate = 0.5", "$.components[0].options.attention_dropout", () => Builder().AddAttention(a => a.DropoutRate = 0.5).AddLambdaMask(m => m.DistanceCeiling = 7)),
        ["lambda"] = ("LambdaMaskOptions.LocalLength = 0", "$.components[1].options.local_branch", () => Builder().AddAttention().AddLambdaMask(m => m.LocalLength = 0)),
        ["h3 heads"] = ("H3Options.HeadDim = 5", "$.components[0].options.head_dim", () => Builder().AddH3(h => h.HeadDim = 5)),
        ["h3 chunks"] = ("H3Options.ChunkLength = 8", "$.components[0].options.chunk_length", () => Builder().AddH3(h => (h.ChunkLength, h.MaxKernelLength) = (8, 16))),
        ["h3 state"] = ("H3Options.StateDim = 3", "$.components[0].options.d_state", () => Builder().AddH3(h => h.StateDim = 3)),
        ["h3 times"] = ("H3Options.MinTimeStep = 0.25", "$.components[0].options.dt_min", () => Builder().AddH3(h => h.MinTimeStep = 0.25)),
        ["h3 matrices"] = ("H3Options.MatrixCount = 3", "$.components[0].options.n_ssm", () => Builder().AddH3(h => h.MatrixCount = 3)),
        ["h3 real part"] = ("H3Options.RealPart = Sigmoid", "$.components[0].options.real_type", () => Builder().AddH3(h => (h.RealPart, h.Initialization) = (RealPart.Sigmoid, DiagonalInitialization.Real))),
        ["s4d chunks"] = ("S4DOptions.ChunkLength = 8", "$.components[0].options.chunk_length", () => Builder().AddS4D(s => (s.ChunkLength, s.Discretization) = (8, Discretization.Dss))),
        ["s4d state"] = ("S4DOptions.StateDim = 3", "$.components[0].options.d_state", () => Builder().AddS4D(s => s.StateDim = 3)),
        ["s4d matrices"] = ("S4DOptions.Initialization = Mixed", "$.components[0].options.measure", () => Builder().AddS4D(s => s.Initialization = DiagonalInitialization.Mixed)),
        ["selective scan"] = ("SelectiveScanOptions.MinTimeStep = 0.5", "$.components[0].options.dt_min", () => Builder().AddSelectiveScan(s => s.MinTimeStep = 0.5)),
        ["long convolution"] = ("LongConvOptions.KernelLength = 0", "$.components[0].options.kernel_length", () => Builder().AddLongConv(l => l.KernelLength = 0)),
        ["shift"] = ("ShiftOptions.StateDim = 0", "$.components[0].options.d_state", () => Builder().AddShift(s => s.StateDim = 0)),
        ["monarch"] = ("MonarchOptions.BlockCount = 0", "$.components[1].options.nblocks", () => Builder().AddAttention().AddMonarchLinear(m => m.BlockCount = 0)),
        ["lora rank"] = ("LoraOptions.Rank = 3", "$.components[1].options.r", () => Builder().AddAttention().UseLora(l => (l.Rank, l.Initialization) = (3, LoraInitialization.Orthogonal))),
        ["lora pattern"] = ("LoraOptions.RankPattern = '('", "$.components[1].options.rank_pattern", () => Builder().AddAttention().UseLora(l => l.RankPattern["("] = 3)),
        ["lora pattern's rank"] = ("LoraOptions.RankPattern = 0", "$.components[1].options.rank_pattern", () => Builder().AddAttention().UseLora(l => l.RankPattern["q_proj"] = 0)),
        ["lora start"] = ("LoraOptions.InitializationDeviation = 0.5", "$.components[1].options.initialization_deviation", () => Builder().AddAttention().UseLora(l => l.InitializationDeviation = 0.5)),
        ["dora"] = ("LoraOptions.IsWeightDecomposed = true", "$.components[2].options.use_dora", () => Builder().AddAttention().AddMonarchLinear().UseLora(l => l.IsWeightDecomposed = true)),
        ["stop token"] = ("AutoregressiveSamplerOptions.StopTokens[1] = 99", "$.components[1].options.stop_tokens[1]", () => Builder().AddAttention().AddAutoregressiveSampler(s => s.StopTokens = [1, 99])),
        ["temperature"] = ("AutoregressiveSamplerOptions.Temperature = -1", "$.components[1].options.temperature", () => Builder().AddAttention().AddAutoregressiveSampler(s => s.Temperature = -1)),
        ["mask token"] = ("DiffusionSamplerOptions.MaskId = 99", "$.components[1].options.mask_id", () => Denoiser().AddAncestralSampler(99)),
        ["no mask token"] = ("DiffusionSamplerOptions.MaskId = null", "$.components[1].options.mask_id", () => Denoiser().Add(DiffusionSamplerComponents.Ancestral)),
        ["mask token of another sampler"] = ("ConfidenceSamplerOptions.MaskId = 99", "$.components[1].options.mask_id", () => Denoiser().AddConfidenceSampler(99)),
        ["remasking"] = ("RemaskingSamplerOptions.LoopStart = 0.01", "$.components[1].options.loop_start", () => Denoiser().AddRemaskingSampler(3, r => (r.Strategy, r.LoopStart) = (RemaskingStrategy.Loop, 0.01))),
        ["windows"] = ("SemiAutoregressiveSamplerOptions.StrideLength = 9", "$.components[1].options.stride_length", () => Denoiser().AddSemiAutoregressiveSampler(3, s => (s.WindowLength, s.StrideLength) = (8, 9))),
    };

    public static TheoryData<string> Names => [.. cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void An_option_that_cannot_work_is_named_in_code_and_in_the_file(string name)
    {
        var (option, place, compose) = cases[name];
        var culture = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = new CultureInfo("de-DE"); // numbers read the same everywhere
            var error = Assert.Throws<ConfigurationException>(() =>
            {
                using var model = compose().Build();
                model.CreateSampler();
            });

            Assert.Equal(place, error.Path);
            Check(error, option, place);
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [Fact]
    public void The_sentence_reads_well_and_the_file_stands_first()
    {
        const string sentence = "AttentionOptions.HeadCount = 5 ($.components[0].options.num_attention_heads) does not divide ModelDim = 32; give HeadDim.";
        var builder = Builder().AddAttention(a => a.HeadCount = 5);
        var folder = Directory.CreateTempSubdirectory("lmkit-options-").FullName;
        try
        {
            using (var model = Builder().AddAttention().Build())
                model.Save(folder);
            File.WriteAllText(Path.Combine(folder, "config.json"), builder.Config.ToJson());

            Assert.Equal(sentence, Assert.Throws<ConfigurationException>(builder.Build).Message);
            Assert.Equal($"{Path.Combine(folder, "config.json")}: {sentence}", Assert.Throws<ConfigurationException>(() => LanguageModel.Load(folder)).Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Options_of_dictionaries_are_named_too()
    {
        using var random = new Generator(1);
        var parameters = new ParameterFactory(random, ScalarType.Float32, CPU);
        var nested = Assert.Throws<ConfigurationException>(() => DictionaryConfig.For(DictionaryComponents.BatchTopK, o => (o.ModelDim, o.FeatureCount, o.NestedWidths) = (4, 8, [2, 9])).Create(parameters));
        var missing = Assert.Throws<ConfigurationException>(() => DictionaryConfig.For(DictionaryComponents.TopK, o => o.FeatureCount = 8).Create(parameters));
        var blocks = Assert.Throws<ConfigurationException>(() => DictionaryConfig.For(DictionaryComponents.Supervised, o => (o.ModelDim, o.Blocks) = (4, [new AttributeBlock("tense", [0], [0])])).Create(parameters));
        var inCode = Assert.ThrowsAny<ArgumentException>(() => new JumpReluAutoencoder(new JumpReluOptions { ModelDim = 4, FeatureCount = 8, Bandwidth = -1 }, parameters));

        Check(nested, "BatchTopKOptions.NestedWidths = [2, 9]", "$.options.nested_widths");
        Check(missing, "TopKOptions.ModelDim = 0", "$.options.model_dim");
        Check(blocks, "SupervisedOptions.Blocks = 'tense'", "$.options.blocks");
        Assert.Contains("JumpReluOptions.Bandwidth = -1", inCode.Message, StringComparison.Ordinal);
    }

    private static void Check(ConfigurationException error, string option, string place)
    {
        Assert.Contains(option, error.Message, StringComparison.Ordinal);
        Assert.Contains(place, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("(Parameter", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static LanguageModelBuilder Builder() => new() { VocabSize = 64, ModelDim = 32, LayerCount = 1 };

    private static LanguageModelBuilder Denoiser()
    {
        var builder = Builder();
        builder.Options.IsBidirectional = true;
        return builder.AddAttention();
    }
}
