using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Saves autoencoders in SAELens's layout of version 6: <c>cfg.json</c> and <c>sae_weights.safetensors</c>.</summary>
/// <remarks>BatchTopK and Matryoshka autoencoders that have learned their threshold are saved as JumpReLU ones, as that library does for
/// inference; codes and reconstructions are the same.</remarks>
public static class SaeLensWriter
{
    private const string ConfigFile = "cfg.json";
    private const string WeightsFile = "sae_weights.safetensors";

    private static readonly JsonSerializerOptions layout = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>Saves an autoencoder in one step; a failure leaves the files that were there.</summary>
    /// <param name="folder">The folder; everything in it that the save does not write stays.</param>
    /// <param name="autoencoder">The autoencoder, on raw activations (fold a scale first).</param>
    /// <param name="hookName">The place in its model, in that library's words.</param>
    /// <param name="modelName">The model, in that library's words.</param>
    /// <exception cref="IOException">The folder cannot be written, or holds a <c>cfg.json</c> that is not an autoencoder's; nothing was
    /// changed.</exception>
    /// <exception cref="NotSupportedException">The layout cannot say what this kind does; <see cref="DictionaryFolder"/> can.</exception>
    public static void Save(string folder, SparseAutoencoder autoencoder, string hookName, string modelName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(autoencoder);
        if (autoencoder is BatchTopKAutoencoder { Threshold: > 0, Options: BatchTopKOptions { UsesThreshold: true } } batch)
        {
            using var inference = batch.ToJumpRelu();
            Save(folder, inference, hookName, modelName);
            return;
        }
        var config = Config(autoencoder);
        config["metadata"] = new JsonObject { ["hook_name"] = hookName, ["model_name"] = modelName };
        AtomicFolder.Write(
            folder,
            target =>
            {
                using var scope = NewDisposeScope();
                using var frozen = no_grad();
                File.WriteAllText(Path.Combine(target, ConfigFile), config.ToJsonString(layout) + "\n");
                SafetensorsWriter.Save(Path.Combine(target, WeightsFile), Weights(autoencoder));
            },
            there => OwnFiles.Check(there, ConfigFile, WeightsFile, found => found["d_in"] is JsonValue && found["d_sae"] is JsonValue, "an autoencoder"));
    }

    private static JsonObject Config(SparseAutoencoder autoencoder)
    {
        var options = autoencoder.Options;
        var config = new JsonObject
        {
            ["architecture"] = Architecture(autoencoder),
            ["d_in"] = autoencoder.ModelDim,
            ["d_sae"] = autoencoder.FeatureCount,
            ["dtype"] = autoencoder.DecoderWeight.dtype.ToString().ToLowerInvariant(),
            ["device"] = "cpu",
            ["apply_b_dec_to_input"] = options.SubtractsDecoderBias,
            ["normalize_activations"] = options.InputNormalization switch
            {
                InputNormalization.None => "none",
                InputNormalization.PerRowStandardize => "layer_norm",
                _ => "constant_norm_rescale",
            },
            ["reshape_activations"] = "none",
        };
        if (options is TopKOptions topK)
            (config["k"], config["rescale_acts_by_decoder_norm"]) = (topK.ActiveCount, topK.RescalesByDecoderNorm);
        if (options is BatchTopKOptions batch)
            (config["k"], config["rescale_acts_by_decoder_norm"]) = (batch.ActiveCount, batch.RescalesByDecoderNorm);
        if (options is BatchTopKOptions { NestedWidths.Count: > 0 } nested)
            config["matryoshka_widths"] = new JsonArray([.. nested.NestedWidths.Append(autoencoder.FeatureCount).Select(width => (JsonNode)width)]);
        return config;
    }

    private static string Architecture(SparseAutoencoder autoencoder) => autoencoder.Options switch
    {
        TopKOptions { AllowsNegativeCodes: false } => "topk",
        BatchTopKOptions { NestedWidths.Count: > 0 } => "matryoshka_batchtopk",
        BatchTopKOptions => "batchtopk",
        JumpReluOptions => "jumprelu",
        GatedOptions { Kind: GatedKind.SaeLens } => "gated",
        VanillaOptions => "standard",
        _ => throw new NotSupportedException($"SAELens's layout has no architecture for {autoencoder.GetName()} with these options; {nameof(DictionaryFolder)} keeps every kind."),
    };

    private static Dictionary<string, Tensor> Weights(SparseAutoencoder autoencoder)
    {
        var weights = autoencoder.state_dict();
        if (weights.Remove("log_threshold", out var logarithms))
            weights["threshold"] = logarithms.exp();
        if (!autoencoder.Options.UsesEncoderBias && weights.TryGetValue("b_enc", out var unused))
            weights["b_enc"] = zeros_like(unused);
        return weights;
    }
}
