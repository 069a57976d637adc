using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Gemma Scope's, Llama Scope's and sparsify's layouts.</summary>
internal static class ScopeLayouts
{
    internal static LoadedAutoencoder GemmaScope(string path, AutoencoderLoadOptions options)
    {
        var weights = new PublishedWeights(path, NpzReader.Read(path));
        var more = new Dictionary<string, Tensor>
        {
            ["b_enc"] = weights.Take("b_enc"),
            ["log_threshold"] = AutoencoderAssembly.LogThreshold(weights.Take("threshold")),
        };
        var (encoder, decoder, bias) = (weights.Take("W_enc", "w_enc"), weights.Take("W_dec", "w_dec"), weights.Take("b_dec"));
        weights.CheckAllTaken();
        if (IsOfEmbeddings(path))
        {
            // Trained on embeddings times sqrt(d), as the model reads them.
            var root = Math.Sqrt(decoder.size(-1));
            (encoder, decoder) = (encoder / root, decoder * root);
        }
        var made = new AutoencoderAssembly(path, options).Make((parameters, width, count) => Jump(parameters, width, count, false), encoder, decoder, bias, more);
        return new(made, AutoencoderLayout.GemmaScope, null, null);
    }

    internal static LoadedAutoencoder LlamaScope(string folder, AutoencoderLoadOptions options)
    {
        var config = PublishedSettings.Read(Path.Combine(folder, "hyperparams.json"));
        var path = new[] { "final.safetensors", Path.Combine("checkpoints", "final.safetensors") }.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw new FileNotFoundException($"{folder} has no final.safetensors, neither itself nor in checkpoints.");
        using var reader = new SafetensorsReader(path);
        var weights = new PublishedWeights(path, reader.ReadAll());
        var (encoder, decoder) = (weights.Transposed("encoder.weight"), weights.Transposed("decoder.weight"));
        using var scale = new ActivationScale(LlamaScopeSettings.Factor(config, decoder.size(1)));
        var thresholds = weights.Has("log_jumprelu_threshold")
            ? weights.Take("log_jumprelu_threshold")
            : full([decoder.size(0)], Math.Log(config.NumberOrFail("jump_relu_threshold") * scale.Factor), ScalarType.Float64);
        if (config.Flag("sparsity_include_decoder_norm", false))
            thresholds = thresholds - decoder.to(ScalarType.Float64).norm(1).log(); // p |d| > theta, where ours asks p > theta
        var more = new Dictionary<string, Tensor> { ["b_enc"] = weights.Take("encoder.bias"), ["log_threshold"] = thresholds };
        var bias = weights.Take("decoder.bias");
        var subtracts = config.Flag("apply_decoder_bias_to_pre_encoder", false);
        var unread = LlamaScopeSettings.Check(config, decoder.size(1), decoder.size(0));
        weights.CheckAllTaken();
        var made = new AutoencoderAssembly(path, options).Make((parameters, width, count) => Jump(parameters, width, count, subtracts), encoder, decoder, bias, more);
        made.Fold(scale);
        return new(made, AutoencoderLayout.LlamaScope, config.Text("hook_point_in"), null) { UnreadSettings = unread };
    }

    internal static LoadedAutoencoder Sparsify(string folder, AutoencoderLoadOptions options)
    {
        var config = PublishedSettings.Read(Path.Combine(folder, "cfg.json"));
        var path = Path.Combine(folder, "sae.safetensors");
        using var reader = new SafetensorsReader(path);
        var weights = new PublishedWeights(path, reader.ReadAll());
        if (weights.Has("W_skip"))
            throw new NotSupportedException($"{folder}: it has a skip connection; only autoencoders are read.");
        foreach (var name in (string[])["transcode", "skip_connection", "embed_skip", "gram_lookup"])
            config.RefuseFlag(name, "only autoencoders of their own input are read.");
        config.RefuseFlag("signed", "codes by absolute value are not read.");
        if (config.Text("activation") is { } activation && activation != "topk")
            throw config.Unsupported("activation", $"'{activation}'", "topk is read.");
        var (encoder, decoder, bias) = (weights.Transposed("encoder.weight"), weights.Take("W_dec"), weights.Take("b_dec"));
        var more = new Dictionary<string, Tensor> { ["b_enc"] = weights.Take("encoder.bias") };
        var (width, count) = (decoder.size(-1), decoder.size(0));
        config.CheckSize("d_in", width);
        if (config.Whole("num_latents") is > 0)
            config.CheckSize("num_latents", count);
        else
            config.CheckSize("expansion_factor", count / width);
        var active = options.ActiveCount ?? config.CountOrFail("k");
        var unread = config.Unread("k", "expansion_factor", "num_latents", "normalize_decoder", "multi_topk", "lookup_max_order");
        weights.CheckAllTaken();
        var made = new AutoencoderAssembly(path, options).Make(
            (parameters, features, rows) => new TopKAutoencoder(AutoencoderAssembly.Sized(new TopKOptions { ActiveCount = active }, features, rows), parameters), encoder, decoder, bias, more);
        return new(made, AutoencoderLayout.Sparsify, Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), null) { UnreadSettings = unread };
    }

    // Published under embedding/width_4k/average_l0_6 and the like; the file itself does not say it.
    private static bool IsOfEmbeddings(string path) => Path.GetFullPath(path).Split(Path.DirectorySeparatorChar).TakeLast(4).Contains("embedding");

    private static JumpReluAutoencoder Jump(ParameterFactory parameters, long width, long count, bool subtracts) =>
        new(AutoencoderAssembly.Sized(new JumpReluOptions { SubtractsDecoderBias = subtracts, Constraint = DecoderConstraint.Free }, width, count), parameters);
}

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
    internal static double Factor(PublishedSettings config, long width)
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

    internal static IReadOnlyList<string> Check(PublishedSettings config, long width, long count)
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
