using TorchSharp;

namespace LmKit;

/// <summary>What SAELens's <c>cfg.json</c> sets, of version 6 and before: obeyed, or refused by name and value.</summary>
internal static class SaeLensSettings
{
    // How it was trained, on what and where: no output of a trained dictionary depends on these.
    private static readonly string[] Training =
    [
        "dtype", "device", "sae_lens_version", "sae_lens_training_version", "seed", "model_class_name", "model_kwargs", "hook_layer", "hook_point_layer", "hook_eval", "dataset_path", "dataset_trust_remote_code",
        "streaming", "is_dataset_tokenized", "context_size", "prepend_bos", "use_cached_activations", "cached_activations_path", "training_tokens", "neuronpedia_id", "expansion_factor", "decoder_init_norm", "decoder_heuristic_init",
        "decoder_heuristic_init_norm", "decoder_orthogonal_init", "init_encoder_as_decoder_transpose", "b_dec_init_method", "b_dec_init", "normalize_sae_decoder", "noise", "lp_norm", "l1_coefficient", "l1_warm_up_steps",
        "l1_loss_wd_norm", "l0_coefficient", "l0_warm_up_steps", "l0_lambda", "l0_warmup_steps", "scale_sparsity_penalty_by_decoder_norm", "mse_loss_normalization", "use_ghost_grads", "ghost_grad_scale", "aux_loss_coefficient", "pre_act_loss_coefficient",
        "jumprelu_init_threshold", "jumprelu_bandwidth", "jumprelu_sparsity_loss_mode", "jumprelu_tanh_scale", "topk_threshold_lr", "threshold_lr", "matryoshka_widths", "use_sparse_activations", "use_matryoshka_aux_loss", "lr", "lr_end", "lr_scheduler_name",
        "lr_warm_up_steps", "lr_decay_steps", "n_restart_cycles", "adam_beta1", "adam_beta2", "train_batch_size_tokens", "train_batch_size", "store_batch_size", "store_batch_size_prompts", "n_batches_in_buffer", "act_store_device", "dead_feature_window",
        "dead_feature_threshold", "dead_feature_estimation_method", "feature_sampling_window", "feature_sampling_method", "feature_reinit_scale", "resample_batches", "finetuning_method", "finetuning_tokens", "autocast", "autocast_lm", "compile_llm",
        "llm_compilation_mode", "compile_sae", "sae_compilation_mode", "checkpoint_path", "n_checkpoints", "verbose", "resume", "run_name", "sparsity_path", "sae_id", "tokens_per_buffer", "exclude_special_tokens",
    ];

    /// <summary>The kind of autoencoder, from the architecture and the activation function.</summary>
    internal static string Kind(PublishedSettings config)
    {
        var architecture = config.Text("architecture") ?? "standard";
        var activation = config.Text("activation_fn", "activation_fn_str");
        if (activation is not (null or "relu" or "topk"))
            throw config.Unsupported("activation_fn", $"'{activation}'", "relu and topk are read.");
        if (activation == "topk" && architecture is not ("standard" or "topk"))
            throw config.Unsupported("activation_fn", "'topk'", $"architecture '{architecture}' has an activation function of its own.");
        var kind = activation == "topk" ? "topk" : architecture;
        if (config.Part("activation_fn_kwargs") is { } arguments)
        {
            if (kind == "topk")
                _ = arguments.Count("k");
            if (arguments.Unread() is [var other, ..])
                throw config.Unsupported("activation_fn_kwargs", $"'{other}' and perhaps others", "only topk's k is read.");
        }
        return kind;
    }

    internal static long ActiveCount(PublishedSettings config, AutoencoderLoadOptions options)
    {
        var (own, inner) = (config.Count("k"), config.Part("activation_fn_kwargs")?.Count("k"));
        if (own is { } first && inner is { } second && first != second)
            throw new InvalidDataException($"{config.Path}: k is {first} and activation_fn_kwargs.k {second}.");
        return options.ActiveCount ?? own ?? inner ?? config.CountOrFail("k");
    }

    internal static InputNormalization Normalization(PublishedSettings config) => config.TextOrFlag("normalize_activations") switch
    {
        null or "none" or "false" or "expected_average_only_in" or "true" => InputNormalization.None, // the average is a scale to fold
        "layer_norm" => InputNormalization.PerRowStandardize,
        "constant_norm_rescale" => InputNormalization.ConstantNorm,
        var other => throw config.Unsupported("normalize_activations", $"'{other}'", "none, expected_average_only_in, layer_norm and constant_norm_rescale are read."),
    };

    /// <summary>The factor that activations were multiplied by before training and that the weights do not hold yet; null for none.</summary>
    internal static double? Scale(string folder, PublishedSettings config, AutoencoderLoadOptions options)
    {
        var said = config.TextOrFlag("normalize_activations");
        var isScaled = said is "expected_average_only_in" or "true";
        var file = Path.Combine(folder, "activation_scaler.json");
        var own = File.Exists(file) ? PublishedSettings.Read(file).Number("scaling_factor") : null;
        if (own is not null && !isScaled)
            throw new InvalidDataException($"{file}: scaling_factor is {own}, and cfg.json's normalize_activations '{said ?? "none"}' asks for none.");
        if (!isScaled)
            return null;
        return own ?? options.InputScale ?? throw config.Unsupported(
            "normalize_activations",
            $"'{said}'",
            $"the scale is in no file: give {nameof(AutoencoderLoadOptions)}.{nameof(AutoencoderLoadOptions.InputScale)}, sqrt(d) over the mean norm of the activations, or 1 where it is folded into the weights already.");
    }

    /// <summary>Settings that no kind computes, and those that only some do.</summary>
    internal static IReadOnlyList<string> Check(PublishedSettings config, PublishedSettings about, string kind, long width, long count)
    {
        config.CheckSize("d_in", width);
        config.CheckSize("d_sae", count);
        if (config.Whole("d_out") is { } output && output != width)
            throw config.Unsupported("d_out", $"{output}", "it is a transcoder; only autoencoders are read.");
        foreach (var part in new[] { config, about })
        {
            var (hook, target) = (part.Text("hook_name", "hook_point"), part.Text("hook_name_out"));
            if (target is not null && target != hook)
                throw part.Unsupported("hook_name_out", $"'{target}'", "it is a transcoder; only autoencoders are read.");
        }
        if (config.Text("reshape_activations") is { } reshape && reshape is not ("none" or "hook_z"))
            throw config.Unsupported("reshape_activations", $"'{reshape}'", "none and hook_z are read.");
        if (kind is not ("topk" or "batchtopk" or "matryoshka_batchtopk"))
            config.RefuseFlag("rescale_acts_by_decoder_norm", $"{kind} does not rescale.");
        else
            _ = config.Flag("rescale_acts_by_decoder_norm", false);
        _ = config.Part("metadata");
        foreach (var name in (string[])["model_name", "hook_name", "hook_point", "hook_head_index", "hook_point_head_index"])
        {
            _ = config.IsKnown(name);
            _ = about.IsKnown(name);
        }
        var unread = config.Unread(Training);
        return ReferenceEquals(config, about) ? unread : [.. unread, .. about.Unread(Training).Select(name => $"metadata.{name}")];
    }
}
