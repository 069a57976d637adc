using System.IO.Compression;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class AutoencoderFileTests
{
    [Fact]
    public void A_folder_of_no_known_layout_is_refused_with_the_known_ones()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("sae_weights.safetensors", Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder["missing"]));
    }

    [Fact]
    public void A_pickle_that_names_a_function_is_refused_by_its_name()
    {
        using var folder = new TemporaryFolder();
        Pack(folder["7.pt"], "cos\nsystem\n(X\u0004\0\0\0true"u8.ToArray());
        var error = Assert.Throws<PickleException>(() => AutoencoderFile.Load(folder.Path));
        Assert.Contains("os.system", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_that_is_missing_is_named()
    {
        using var folder = new TemporaryFolder();
        Pack(folder["7.pt"], "}."u8.ToArray());
        Assert.Contains("latent_bias", Assert.Throws<CheckpointMismatchException>(() => AutoencoderFile.Load(folder.Path, new AutoencoderLoadOptions { ActiveCount = 3 })).Message, StringComparison.Ordinal);
        Assert.Contains("ActiveCount", Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_numpy_archives_are_refused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["params.npz"], "no archive");
        Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path));
    }

    [Theory]
    [InlineData("vanilla")]
    [InlineData("top_k")]
    [InlineData("batch_top_k")]
    [InlineData("matryoshka")]
    [InlineData("jump_relu")]
    [InlineData("gated")]
    public void What_is_saved_for_SAELens_loads_with_the_same_codes(string kind)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        using var random = new Generator(3);
        using var made = Make(kind, new ParameterFactory(random));
        foreach (var (_, value) in made.state_dict())
            value.add_(rand(value.shape, value.dtype, generator: random) * 0.3);
        made.eval();
        SaeLensWriter.Save(folder["sae"], made, "blocks.3.hook_resid_pre", "gpt2");
        using var loaded = AutoencoderFile.Load(folder["sae"]);

        Assert.Equal((AutoencoderLayout.SaeLens, "blocks.3.hook_resid_pre", "gpt2"), (loaded.Layout, loaded.HookName, loaded.ModelName));
        var x = randn([6, 5], generator: random);
        Close.Check("codes", made.Encode(x), loaded.Autoencoder.Encode(x), absolute: 1e-5);
        Close.Check("output", made.Reconstruct(x), loaded.Autoencoder.Reconstruct(x), absolute: 1e-5);
    }

    [Theory]
    [InlineData("batch_top_k", ScalarType.Float32, "float32")]
    [InlineData("matryoshka", ScalarType.BFloat16, "bfloat16")]
    public void A_learned_threshold_is_saved_for_SAELens_as_JumpReLU_in_its_own_precision(string kind, ScalarType dtype, string named)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        using var random = new Generator(3);
        using var made = Make(kind, new ParameterFactory(random, dtype));
        SaeLensWriter.Save(folder["sae"], made, "a", "b");
        Assert.Contains("batchtopk", File.ReadAllText(Path.Combine(folder["sae"], "cfg.json")), StringComparison.Ordinal);
        var x = randn([6, 5], dtype, generator: random);
        made.UpdateThreshold(made.Encode(x));
        made.eval();
        SaeLensWriter.Save(folder["sae"], made, "a", "b");
        var config = File.ReadAllText(Path.Combine(folder["sae"], "cfg.json"));
        Assert.Contains("\"architecture\": \"jumprelu\"", config, StringComparison.Ordinal);
        Assert.Contains($"\"dtype\": \"{named}\"", config, StringComparison.Ordinal);
        Assert.DoesNotContain("\"k\"", config, StringComparison.Ordinal);
        using var loaded = AutoencoderFile.Load(folder["sae"]);
        Assert.IsType<JumpReluAutoencoder>(loaded.Autoencoder);
        if (dtype == ScalarType.Float32)
            Close.Check("codes", made.Encode(x), loaded.Autoencoder.Encode(x), absolute: 1e-5);
    }

    [Fact]
    public void A_kind_that_SAELens_lacks_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var random = new Generator(3);
        using var made = new TopAfaAutoencoder(new TopAfaOptions { ModelDim = 2, FeatureCount = 3 }, new ParameterFactory(random));
        Assert.Contains("DictionaryFolder", Assert.Throws<NotSupportedException>(() => SaeLensWriter.Save(folder["sae"], made, "a", "b")).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["sae"]));
    }

    private static SparseAutoencoder Make(string kind, ParameterFactory parameters)
    {
        T Sized<T>(T options)
            where T : SparseAutoencoderOptions
        {
            (options.ModelDim, options.FeatureCount, options.InputNormalization) = (5, 9, InputNormalization.PerRowStandardize);
            return options;
        }
        return kind switch
        {
            "vanilla" => new VanillaAutoencoder(Sized(new VanillaOptions { SubtractsDecoderBias = false }), parameters),
            "top_k" => new TopKAutoencoder(Sized(new TopKOptions { ActiveCount = 3, RescalesByDecoderNorm = true, UsesEncoderBias = false }), parameters),
            "batch_top_k" => new BatchTopKAutoencoder(Sized(new BatchTopKOptions { ActiveCount = 2.5 }), parameters),
            "matryoshka" => new BatchTopKAutoencoder(Sized(new BatchTopKOptions { ActiveCount = 2, NestedWidths = [3, 6] }), parameters),
            "jump_relu" => new JumpReluAutoencoder(Sized(new JumpReluOptions { InitialThreshold = 0.3 }), parameters),
            _ => new GatedAutoencoder(Sized(new GatedOptions { Kind = GatedKind.SaeLens }), parameters),
        };
    }

    private static void Pack(string path, byte[] instructions)
    {
        using var archive = ZipFile.Open(path, ZipArchiveMode.Create);
        using var stream = archive.CreateEntry("7/data.pkl").Open();
        stream.Write(instructions);
    }
}
