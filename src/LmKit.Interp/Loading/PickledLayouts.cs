using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The layouts that come as PyTorch files: OpenAI's, dictionary_learning's and the top-AFA code's.</summary>
internal static class PickledLayouts
{
    // How they were trained, and where: no output of a trained dictionary depends on these.
    private static readonly string[] TopAfaTraining =
    [
        "seed", "batch_size", "lr", "num_tokens", "beta1", "beta2", "max_grad_norm", "seq_len", "dtype", "site", "layer", "device", "top_k", "top_k_aux", "n_batches_to_dead", "aux_penalty", "name", "bandwidth", "model_batch_size",
        "num_batches_in_buffer", "dataset_path", "wandb_project", "checkpoint_freq", "perf_log_freq", "model_dtype", "act_size", "dict_size",
    ];

    private static readonly string[] DictionaryTraining =
    [
        "trainer_class", "lr", "steps", "seed", "layer", "device", "wandb_name", "warmup_steps", "decay_start", "resample_steps", "k", "auxk_alpha", "top_k_aux", "threshold_beta", "threshold_start_step", "k_anneal_steps", "l1_penalty",
        "sparsity_penalty", "sparsity_warmup_steps", "sparsity_function", "sparsity_queue_length", "n_sparsity_updates", "initial_sparsity_penalty", "p_start", "p_end", "anneal_start", "anneal_end", "bandwidth", "target_l0", "buffer", "trainer",
    ];

    internal static LoadedAutoencoder OpenAi(string path, AutoencoderLoadOptions options)
    {
        var (tensors, values) = PickleReader.Read(path);
        var weights = new PublishedWeights(path, tensors);
        var activation = values.GetValueOrDefault("activation") as string;
        if (activation is not (null or "TopK" or "ReLU"))
            throw new NotSupportedException($"{path}: activation is '{activation}'; TopK and ReLU are read.");
        var isTopK = activation != "ReLU";
        if (values.GetValueOrDefault("activation_state_dict.postact_fn") is { } after && after is not "ReLU")
            throw new NotSupportedException($"{path}: activation_state_dict.postact_fn is '{after}'; ReLU is read.");
        var active = options.ActiveCount ?? (values.TryGetValue("activation_state_dict.k", out var k) ? Convert.ToInt64(k, System.Globalization.CultureInfo.InvariantCulture) : null);
        if (isTopK && active is null)
            throw new InvalidDataException($"{path}: the file does not say how many features a row keeps; give {nameof(AutoencoderLoadOptions)}.{nameof(AutoencoderLoadOptions.ActiveCount)}.");
        SparseAutoencoder Make(ParameterFactory parameters, long width, long count) => isTopK
            ? new TopKAutoencoder(AutoencoderAssembly.Sized(new TopKOptions { ActiveCount = active!.Value, InputNormalization = InputNormalization.PerRowStandardize }, width, count), parameters)
            : new VanillaAutoencoder(AutoencoderAssembly.Sized(new VanillaOptions(), width, count), parameters);
        var more = new Dictionary<string, Tensor> { ["b_enc"] = weights.Take("latent_bias") };
        var (encoder, decoder, bias) = (weights.Transposed("encoder.weight"), weights.Transposed("decoder.weight"), weights.Take("pre_bias"));
        weights.CheckAllTaken("stats_last_nonzero", "latents_activation_frequency", "latents_mean_square", "activation_state_dict.k", "activation.");
        var made = new AutoencoderAssembly(path, options).Make(Make, encoder, decoder, bias, more);
        return new(made, AutoencoderLayout.OpenAi, null, null);
    }

    internal static LoadedAutoencoder TopAfa(string folder, AutoencoderLoadOptions options)
    {
        var path = Path.Combine(folder, "sae.pt");
        var config = PublishedSettings.Read(Path.Combine(folder, "config.json"));
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
        var (encoder, decoder, bias) = (weights.Take("W_enc"), weights.Take("W_dec"), weights.Take("b_dec"));
        config.CheckSize("act_size", decoder.size(-1));
        config.CheckSize("dict_size", decoder.size(0));
        weights.CheckAllTaken();
        var (hook, model) = (config.Text("hook_point"), config.Text("model_name"));
        var unread = config.Unread([.. TopAfaTraining, "input_unit_norm", "afa_coeff", "l1_coeff"]);
        var loaded = new AutoencoderAssembly(path, options).Make(Make, encoder, decoder, bias, more);
        return new(loaded, AutoencoderLayout.TopAfa, hook, model) { UnreadSettings = unread };
    }

    internal static LoadedAutoencoder DictionaryLearning(string folder, AutoencoderLoadOptions options)
    {
        var path = Path.Combine(folder, "ae.pt");
        var config = PublishedSettings.Read(Path.Combine(folder, "config.json"));
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
        var bias = weights.Take("b_dec", "bias", "decoder_bias");
        trainer.CheckSize("activation_dim", decoder.size(-1));
        trainer.CheckSize("dict_size", decoder.size(0));
        if (config.Part("buffer")?.Text("io") is { } direction && direction is not ("in" or "out"))
            throw config.Unsupported("buffer.io", $"'{direction}'", "it is a transcoder; only autoencoders are read.");
        if (options.ActiveCount is null && weights.Has("k") && trainer.Count("k") is { } said && said != weights.Count("k"))
            throw new InvalidDataException($"{config.Path}: k is {said}, and the weights say {weights.Count("k")}.");
        weights.CheckAllTaken("k", "threshold");
        var (hook, model) = (trainer.Text("submodule_name"), trainer.Text("lm_name"));
        var unread = trainer.Unread(DictionaryTraining);
        var loaded = new AutoencoderAssembly(path, options).Make(Make, encoder, decoder, bias, more);
        return new(loaded, AutoencoderLayout.DictionaryLearning, hook, model) { UnreadSettings = unread };
    }
}
