using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>SAELens's layout, of version 6 and before.</summary>
internal static class SaeLensLayout
{
    internal static LoadedAutoencoder Load(string folder, AutoencoderLoadOptions options)
    {
        var config = PublishedSettings.Read(Path.Combine(folder, "cfg.json"));
        var path = Path.Combine(folder, "sae_weights.safetensors");
        using var reader = new SafetensorsReader(path);
        var weights = new PublishedWeights(path, reader.ReadAll());
        var about = config.Part("metadata") ?? config;
        var kind = SaeLensSettings.Kind(config);
        var normalization = SaeLensSettings.Normalization(config);
        var factor = SaeLensSettings.Scale(folder, config, options);
        var subtracts = config.Flag("apply_b_dec_to_input", true);
        var rescales = config.Flag("rescale_acts_by_decoder_norm", kind is "batchtopk" or "matryoshka_batchtopk");
        T Common<T>(T made, long width, long count)
            where T : SparseAutoencoderOptions
        {
            (made.InputNormalization, made.SubtractsDecoderBias) = (normalization, subtracts);
            return AutoencoderAssembly.Sized(made, width, count);
        }
        SparseAutoencoder Make(ParameterFactory parameters, long width, long count) => kind switch
        {
            "standard" => new VanillaAutoencoder(Common(new VanillaOptions { Constraint = DecoderConstraint.Free, PenaltyUsesDecoderNorm = true }, width, count), parameters),
            "topk" => new TopKAutoencoder(Common(new TopKOptions { ActiveCount = SaeLensSettings.ActiveCount(config, options), RescalesByDecoderNorm = rescales, Auxiliary = AuxiliaryKind.SaeLens }, width, count), parameters),
            "batchtopk" or "matryoshka_batchtopk" => new BatchTopKAutoencoder(Common(new BatchTopKOptions { ActiveCount = config.NumberOrFail("k"), RescalesByDecoderNorm = rescales, Auxiliary = AuxiliaryKind.SaeLens }, width, count), parameters),
            "jumprelu" => new JumpReluAutoencoder(Common(new JumpReluOptions { Constraint = DecoderConstraint.Free }, width, count), parameters),
            "gated" => new GatedAutoencoder(Common(new GatedOptions { Kind = GatedKind.SaeLens, Constraint = DecoderConstraint.Free }, width, count), parameters),
            _ => throw new NotSupportedException($"{folder}: architecture '{kind}' is unknown; standard, topk, batchtopk, matryoshka_batchtopk, jumprelu and gated are read."),
        };
        var more = new Dictionary<string, Tensor>();
        string[] names = kind switch
        {
            "gated" => ["b_gate", "b_mag", "r_mag"],
            "batchtopk" or "matryoshka_batchtopk" => ["b_enc", "topk_threshold"],
            _ => ["b_enc"],
        };
        foreach (var name in names.Where(weights.Has))
            more[name] = weights.Take(name);
        if (kind == "jumprelu")
            more["log_threshold"] = AutoencoderAssembly.LogThreshold(weights.Take("threshold"));
        var (encoder, decoder) = (weights.Take("W_enc"), Scaled(path, config, weights, rescales));
        var unread = SaeLensSettings.Check(config, about, kind, decoder.size(-1), decoder.size(0));
        var bias = weights.Take("b_dec");
        weights.CheckAllTaken();
        var (hook, model, head) = (about.Text("hook_name", "hook_point"), about.Text("model_name"), about.Whole("hook_head_index", "hook_point_head_index"));
        using var scale = factor is { } positive ? new ActivationScale(positive) : null;
        var autoencoder = new AutoencoderAssembly(path, options).Make(Make, encoder, decoder, bias, more);
        if (scale is not null)
            autoencoder.Fold(scale);
        return new(autoencoder, AutoencoderLayout.SaeLens, hook, model) { HeadIndex = head, UnreadSettings = unread };
    }

    // Fine-tuned codes are scaled before they are decoded; files of some versions hold a scale of ones.
    private static Tensor Scaled(string path, PublishedSettings config, PublishedWeights weights, bool rescales)
    {
        var decoder = weights.Take("W_dec");
        var isWanted = config.Flag("finetuning_scaling_factor", false);
        if (!weights.Has("scaling_factor") && !weights.Has("finetuning_scaling_factor"))
            return isWanted ? throw new CheckpointMismatchException(path, ["scaling_factor"], [], [], []) : decoder;
        var factors = weights.Take("finetuning_scaling_factor", "scaling_factor");
        var areOnes = factors.sub(1).abs().le(1e-5).all().item<bool>();
        if (areOnes)
            return decoder;
        if (!isWanted)
            throw new InvalidDataException($"{path}: it holds a scaling_factor other than 1, and cfg.json's finetuning_scaling_factor is not true.");
        if (rescales)
            throw new NotSupportedException($"{path}: finetuning_scaling_factor together with rescale_acts_by_decoder_norm is not read.");
        return decoder * factors.unsqueeze(1);
    }
}
