using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The layouts that come as PyTorch files: OpenAI's, dictionary_learning's and the top-AFA code's.</summary>
internal static class PickledLayouts
{
    internal static LoadedAutoencoder OpenAi(string path, AutoencoderLoadOptions options)
    {
        var (tensors, values) = PickleReader.Read(path);
        var weights = new PublishedWeights(path, tensors);
        var isTopK = values.GetValueOrDefault("activation") as string is not "ReLU";
        var active = options.ActiveCount ?? (values.TryGetValue("activation_state_dict.k", out var k) ? Convert.ToInt64(k, System.Globalization.CultureInfo.InvariantCulture) : null);
        if (isTopK && active is null)
            throw new InvalidDataException($"{path}: the file does not say how many features a row keeps; give {nameof(AutoencoderLoadOptions)}.{nameof(AutoencoderLoadOptions.ActiveCount)}.");
        SparseAutoencoder Make(ParameterFactory parameters, long width, long count) => isTopK
            ? new TopKAutoencoder(AutoencoderAssembly.Sized(new TopKOptions { ActiveCount = active!.Value, InputNormalization = InputNormalization.PerRowStandardize }, width, count), parameters)
            : new VanillaAutoencoder(AutoencoderAssembly.Sized(new VanillaOptions(), width, count), parameters);
        var more = new Dictionary<string, Tensor> { ["b_enc"] = weights.Take("latent_bias") };
        var made = new AutoencoderAssembly(path, options).Make(Make, weights.Transposed("encoder.weight"), weights.Transposed("decoder.weight"), weights.Take("pre_bias"), more);
        return new(made, AutoencoderLayout.OpenAi, null, null);
    }

    internal static LoadedAutoencoder TopAfa(string folder, AutoencoderLoadOptions options)
    {
        var path = Path.Combine(folder, "sae.pt");
        var config = PublishedConfig.Read(Path.Combine(folder, "config.json"));
        var weights = new PublishedWeights(path, PickleReader.ReadTensors(path));
        var kind = config.Text("sae_type") ?? "topafa";
        T Common<T>(T made, long width, long count, bool usesEncoderBias)
            where T : SparseAutoencoderOptions
        {
            made.InputNormalization = config.Flag("input_unit_norm", true) ? InputNormalization.PerRowStandardize : InputNormalization.None;
            (made.UsesEncoderBias, made.Reconstruction, made.Constraint) = (usesEncoderBias, ReconstructionLoss.NormalizedMean, DecoderConstraint.UnitRowsBeforeStep);
            (made.AfaCoefficient, made.SparsityCoefficient) = (config.Number("afa_coeff") ?? 0, config.Number("l1_coeff") ?? 0);
            return AutoencoderAssembly.Sized(made, width, count);
        }
        SparseAutoencoder Make(ParameterFactory parameters, long width, long count) => kind switch
        {
            "topafa" => new TopAfaAutoencoder(Common(new TopAfaOptions(), width, count, false), parameters),
            "topk" => new TopKAutoencoder(Common(new TopKOptions { ActiveCount = config.CountOrFail("top_k") }, width, count, false), parameters),
            "batchtopk" => new BatchTopKAutoencoder(Common(new BatchTopKOptions { ActiveCount = config.NumberOrFail("top_k"), UsesThreshold = false }, width, count, false), parameters),
            "vanilla" => new VanillaAutoencoder(Common(new VanillaOptions(), width, count, true), parameters),
            "jumprelu" => new JumpReluAutoencoder(Common(new JumpReluOptions { Kind = JumpReluKind.Rectified, SubtractsDecoderBias = false }, width, count, true), parameters),
            _ => throw new NotSupportedException($"{folder}: sae_type '{kind}' is unknown; topafa, topk, batchtopk, vanilla and jumprelu are read."),
        };
        var more = new Dictionary<string, Tensor> { ["b_enc"] = weights.Take("b_enc") };
        if (kind == "jumprelu")
            more["log_threshold"] = weights.Take("jumprelu.log_threshold");
        var loaded = new AutoencoderAssembly(path, options).Make(Make, weights.Take("W_enc"), weights.Take("W_dec"), weights.Take("b_dec"), more);
        return new(loaded, AutoencoderLayout.TopAfa, config.Text("hook_point"), config.Text("model_name"));
    }

    internal static LoadedAutoencoder DictionaryLearning(string folder, AutoencoderLoadOptions options)
    {
        var path = Path.Combine(folder, "ae.pt");
        var config = PublishedConfig.Read(Path.Combine(folder, "config.json"));
        var trainer = config.Part("trainer") ?? config;
        var (tensors, _) = PickleReader.Read(path);
        var weights = new PublishedWeights(path, tensors);
        var kind = trainer.Text("dict_class") ?? "AutoEncoder";
        long Active() => options.ActiveCount ?? (weights.Has("k") ? weights.Count("k") : trainer.CountOrFail("k"));
        var more = new Dictionary<string, Tensor>();
        SparseAutoencoder Make(ParameterFactory parameters, long width, long count) => kind switch
        {
            "AutoEncoder" => new VanillaAutoencoder(AutoencoderAssembly.Sized(new VanillaOptions(), width, count), parameters),
            "AutoEncoderTopK" when options.UsesThreshold => new JumpReluAutoencoder(AutoencoderAssembly.Sized(new JumpReluOptions(), width, count), parameters),
            "AutoEncoderTopK" => new TopKAutoencoder(AutoencoderAssembly.Sized(new TopKOptions { ActiveCount = Active() }, width, count), parameters),
            "BatchTopKSAE" => new BatchTopKAutoencoder(AutoencoderAssembly.Sized(new BatchTopKOptions { ActiveCount = Active() }, width, count), parameters),
            "GatedAutoEncoder" => new GatedAutoencoder(AutoencoderAssembly.Sized(new GatedOptions(), width, count), parameters),
            "JumpReluAutoEncoder" => new JumpReluAutoencoder(AutoencoderAssembly.Sized(new JumpReluOptions { SubtractsDecoderBias = false }, width, count), parameters),
            _ => throw new NotSupportedException($"{folder}: dict_class '{kind}' is unknown; AutoEncoder, AutoEncoderTopK, BatchTopKSAE, GatedAutoEncoder and JumpReluAutoEncoder are read."),
        };
        var isJump = kind == "JumpReluAutoEncoder";
        var encoder = isJump ? weights.Take("W_enc") : weights.Transposed("encoder.weight");
        var decoder = isJump ? weights.Take("W_dec") : weights.Transposed("decoder.weight");
        if (kind == "GatedAutoEncoder")
            (more["r_mag"], more["b_gate"], more["b_mag"]) = (weights.Take("r_mag"), weights.Take("gate_bias"), weights.Take("mag_bias"));
        else
            more["b_enc"] = weights.Take("encoder.bias", "b_enc");
        if (kind == "BatchTopKSAE")
            more["topk_threshold"] = weights.Take("threshold");
        else if (weights.Has("threshold"))
            more["log_threshold"] = AutoencoderAssembly.LogThreshold(weights.Take("threshold").expand(decoder.size(0)));
        var loaded = new AutoencoderAssembly(path, options).Make(Make, encoder, decoder, weights.Take("b_dec", "bias", "decoder_bias"), more);
        return new(loaded, AutoencoderLayout.DictionaryLearning, trainer.Text("submodule_name"), trainer.Text("lm_name"));
    }
}
