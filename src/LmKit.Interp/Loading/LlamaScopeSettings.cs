namespace LmKit;

/// <summary>What Llama Scope's <c>hyperparams.json</c> sets: obeyed, or refused by name and value.</summary>
internal static class LlamaScopeSettings
{
    // How it was trained, and where; top_k is what the thresholds were made from.
    private static readonly string[] Training =
    [
        "top_k", "dtype", "device", "seed", "expansion_factor", "use_ghost_grads", "init_decoder_norm", "init_encoder_norm", "init_encoder_with_decoder_transpose", "decoder_exactly_fixed_norm", "decoder_bias_init_method", "lp",
        "l1_coefficient", "l1_coefficient_warmup_steps", "sparsity_threshold_for_push", "tp_size", "ddp_size", "strict_loading", "sae_pretrained_name_or_path", "sae_type", "jumprelu_lr_factor", "remove_gradient_parallel_to_decoder_directions",
    ];

    /// <summary>The factor of the input, sqrt(d) over the mean norm; 1 where activations are taken as they are.</summary>
    internal static double Factor(PublishedConfig config, long width)
    {
        var kind = config.Text("norm_activation") ?? "dataset-wise";
        if (kind is not ("dataset-wise" or "none" or "inference"))
            throw config.Unsupported("norm_activation", $"'{kind}'", "dataset-wise, none and inference are read.");
        var norms = config.Part("dataset_average_activation_norm");
        if (kind != "dataset-wise")
            return 1;
        if (norms is null)
            throw new InvalidDataException($"{config.Path}: 'dataset_average_activation_norm' is missing.");
        var (input, output) = (norms.NumberOrFail("in"), norms.Number("out"));
        if (output is not null && output != input)
            throw config.Unsupported("dataset_average_activation_norm", $"{input} in and {output} out", "it is a transcoder; only autoencoders are read.");
        return Math.Sqrt(width) / input;
    }

    internal static IReadOnlyList<string> Check(PublishedConfig config, long width, long count)
    {
        config.CheckSize("d_model", width);
        config.CheckSize("d_sae", count);
        var threshold = config.Number("jump_relu_threshold");
        if (config.Text("act_fn") is { } function && function != "jumprelu" && !(function == "topk" && threshold > 0))
            throw config.Unsupported("act_fn", $"'{function}'", "jumprelu, and topk with a jump_relu_threshold, are read.");
        var (source, target) = (config.Text("hook_point_in"), config.Text("hook_point_out"));
        if (target is not null && target != source)
            throw config.Unsupported("hook_point_out", $"'{target}'", "it is a transcoder; only autoencoders are read.");
        if (!config.Flag("use_decoder_bias", true))
            throw config.Unsupported("use_decoder_bias", "false", "dictionaries with a bias are read.");
        config.RefuseFlag("use_glu_encoder", "gated encoders are not read.");
        return config.Unread(Training);
    }
}
