using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>SAELens's layout, of version 6 and before.</summary>
internal static class SaeLensLayout
{
    internal static LoadedAutoencoder Load(string folder, AutoencoderLoadOptions options)
    {
        var config = PublishedConfig.Read(Path.Combine(folder, "cfg.json"));
        var path = Path.Combine(folder, "sae_weights.safetensors");
        using var reader = new SafetensorsReader(path);
        var weights = new PublishedWeights(path, reader.ReadAll());
        var activation = config.Text("activation_fn", "activation_fn_str");
        var kind = activation == "topk" ? "topk" : config.Text("architecture") ?? "standard";
        var normalization = Normalization(path, config);
        var subtracts = config.Flag("apply_b_dec_to_input", true);
        var rescales = config.Flag("rescale_acts_by_decoder_norm", false);
        T Common<T>(T made, long width, long count)
            where T : SparseAutoencoderOptions
        {
            (made.InputNormalization, made.SubtractsDecoderBias) = (normalization, subtracts);
            return AutoencoderAssembly.Sized(made, width, count);
        }
        SparseAutoencoder Make(ParameterFactory parameters, long width, long count) => kind switch
        {
            "standard" => new VanillaAutoencoder(Common(new VanillaOptions { Constraint = DecoderConstraint.Free, PenaltyUsesDecoderNorm = true }, width, count), parameters),
            "topk" => new TopKAutoencoder(Common(new TopKOptions { ActiveCount = ActiveCount(config, options), RescalesByDecoderNorm = rescales, Auxiliary = AuxiliaryKind.SaeLens }, width, count), parameters),
            "batchtopk" or "matryoshka_batchtopk" => new BatchTopKAutoencoder(Common(new BatchTopKOptions { ActiveCount = config.NumberOrFail("k"), RescalesByDecoderNorm = config.Flag("rescale_acts_by_decoder_norm", true), Auxiliary = AuxiliaryKind.SaeLens }, width, count), parameters),
            "jumprelu" => new JumpReluAutoencoder(Common(new JumpReluOptions { Constraint = DecoderConstraint.Free }, width, count), parameters),
            "gated" => new GatedAutoencoder(Common(new GatedOptions { Kind = GatedKind.SaeLens, Constraint = DecoderConstraint.Free }, width, count), parameters),
            _ => throw new NotSupportedException($"{folder}: architecture '{kind}' is unknown; standard, topk, batchtopk, matryoshka_batchtopk, jumprelu and gated are read."),
        };
        var more = new Dictionary<string, Tensor>();
        foreach (var name in (string[])["b_enc", "b_gate", "b_mag", "r_mag", "topk_threshold"])
        {
            if (weights.Has(name))
                more[name] = weights.Take(name);
        }
        if (kind == "jumprelu")
            more["log_threshold"] = AutoencoderAssembly.LogThreshold(weights.Take("threshold"));
        var decoder = weights.Has("scaling_factor") ? weights.Take("W_dec") * weights.Take("scaling_factor").unsqueeze(1) : weights.Take("W_dec");
        var autoencoder = new AutoencoderAssembly(path, options).Make(Make, weights.Take("W_enc"), decoder, weights.Take("b_dec"), more);
        var about = config.Part("metadata") ?? config;
        return new(autoencoder, AutoencoderLayout.SaeLens, about.Text("hook_name", "hook_point"), about.Text("model_name"));
    }

    private static long ActiveCount(PublishedConfig config, AutoencoderLoadOptions options) =>
        options.ActiveCount ?? config.Count("k") ?? config.Part("activation_fn_kwargs")?.CountOrFail("k") ?? config.CountOrFail("k");

    private static InputNormalization Normalization(string path, PublishedConfig config)
    {
        // Older files say true for the expected average, which is folded before publication.
        return config.Text("normalize_activations") switch
        {
            null or "none" or "expected_average_only_in" => InputNormalization.None,
            "layer_norm" => InputNormalization.PerRowStandardize,
            "constant_norm_rescale" => InputNormalization.ConstantNorm,
            var other => throw new NotSupportedException($"{path}: normalize_activations is '{other}'; none, expected_average_only_in, layer_norm and constant_norm_rescale are read."),
        };
    }
}
