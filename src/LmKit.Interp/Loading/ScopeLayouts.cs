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
        var made = new AutoencoderAssembly(path, options).Make(Jump, weights.Take("W_enc", "w_enc"), weights.Take("W_dec", "w_dec"), weights.Take("b_dec"), more);
        return new(made, AutoencoderLayout.GemmaScope, null, null);
    }

    internal static LoadedAutoencoder LlamaScope(string folder, AutoencoderLoadOptions options)
    {
        var config = PublishedConfig.Read(Path.Combine(folder, "hyperparams.json"));
        var path = new[] { "final.safetensors", Path.Combine("checkpoints", "final.safetensors") }.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw new FileNotFoundException($"{folder} has no final.safetensors, neither itself nor in checkpoints.");
        using var reader = new SafetensorsReader(path);
        var weights = new PublishedWeights(path, reader.ReadAll());
        var (encoder, decoder) = (weights.Transposed("encoder.weight"), weights.Transposed("decoder.weight"));
        var norm = (config.Part("dataset_average_activation_norm") ?? throw new InvalidDataException($"{folder}: hyperparams.json has no dataset_average_activation_norm.")).NumberOrFail("in");
        using var scale = new ActivationScale(Math.Sqrt(decoder.size(1)) / norm);
        var more = new Dictionary<string, Tensor>
        {
            ["b_enc"] = weights.Take("encoder.bias"),
            ["log_threshold"] = weights.Has("log_jumprelu_threshold")
                ? weights.Take("log_jumprelu_threshold")
                : full([decoder.size(0)], Math.Log(config.NumberOrFail("jump_relu_threshold") * scale.Factor), ScalarType.Float64),
        };
        var made = new AutoencoderAssembly(path, options).Make(Jump, encoder, decoder, weights.Take("decoder.bias"), more);
        made.Fold(scale);
        return new(made, AutoencoderLayout.LlamaScope, config.Text("hook_point_in"), null);
    }

    internal static LoadedAutoencoder Sparsify(string folder, AutoencoderLoadOptions options)
    {
        var config = PublishedConfig.Read(Path.Combine(folder, "cfg.json"));
        var path = Path.Combine(folder, "sae.safetensors");
        using var reader = new SafetensorsReader(path);
        var weights = new PublishedWeights(path, reader.ReadAll());
        if (weights.Has("W_skip") || config.Flag("transcode", false))
            throw new NotSupportedException($"{folder}: it is a transcoder or has a skip connection; only autoencoders are read.");
        if (config.Text("activation") is { } activation && activation != "topk")
            throw new NotSupportedException($"{folder}: activation '{activation}' is unknown; topk is read.");
        var made = new AutoencoderAssembly(path, options).Make(
            (parameters, width, count) => new TopKAutoencoder(AutoencoderAssembly.Sized(new TopKOptions { ActiveCount = options.ActiveCount ?? config.CountOrFail("k") }, width, count), parameters),
            weights.Transposed("encoder.weight"),
            weights.Take("W_dec"),
            weights.Take("b_dec"),
            new Dictionary<string, Tensor> { ["b_enc"] = weights.Take("encoder.bias") });
        return new(made, AutoencoderLayout.Sparsify, Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), null);
    }

    private static JumpReluAutoencoder Jump(ParameterFactory parameters, long width, long count) =>
        new(AutoencoderAssembly.Sized(new JumpReluOptions { SubtractsDecoderBias = false, Constraint = DecoderConstraint.Free }, width, count), parameters);
}
