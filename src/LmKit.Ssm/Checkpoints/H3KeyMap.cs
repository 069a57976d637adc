using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Between the tensor names of published H3 models and ours, for both of their layouts.</summary>
public static class H3KeyMap
{
    /// <summary>The base of rotary's frequencies in published models.</summary>
    internal const double RotaryBase = 10_000;

    private static readonly string[] InLayers =
    [
        "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias",
        "mixer.q_proj.weight", "mixer.q_proj.bias", "mixer.k_proj.weight", "mixer.k_proj.bias", "mixer.v_proj.weight", "mixer.v_proj.bias",
        "mixer.output_linear.weight", "mixer.output_linear.bias", "mixer.out_proj.weight", "mixer.out_proj.bias",
        "mixer.D", "mixer.ssm_k_D", "mixer.ssm_k_kernel.kernel.B", "mixer.ssm_k_kernel.kernel.C",
        "mixer.kernel.kernel.B", "mixer.kernel.kernel.C", "mixer.kernel.kernel.log_dt", "mixer.kernel.kernel.inv_A_real", "mixer.kernel.kernel.A_imag",
    ];

    /// <summary>The released layout, <c>backbone.layers.{l}.mixer.q_proj.weight</c> and so on.</summary>
    /// <param name="attentionLayers">The layers whose three projections are stored as one, <c>Wqkv</c>.</param>
    /// <param name="rotaryDim">Features of each head that rotary turns (R), whose frequencies are stored though nothing trains them; 0
    /// for no positions.</param>
    public static KeyMap Published(IEnumerable<int> attentionLayers, long rotaryDim = 0) => new(
    [
        .. Shared("backbone", attentionLayers, rotaryDim),
        KeyMapRow.Rename("backbone.embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight"),
        .. Norm("backbone.layers.{l}.norm1", "layers.{l}.norm1"),
        .. Norm("backbone.layers.{l}.norm2", "layers.{l}.norm2"),
        .. Norm("backbone.ln_f", "ln_f"),
    ]);

    /// <summary>The layout of training checkpoints, <c>s4seq.encoder.layers.{l}...</c>, whose blocks ended with their norms: each norm
    /// belongs to what follows it here.</summary>
    /// <param name="layerCount">Layers of the model; the last one's second norm is the final norm.</param>
    /// <param name="attentionLayers">The layers whose three projections are stored as one, <c>Wqkv</c>.</param>
    /// <param name="rotaryDim">Features of each head that rotary turns (R), as in <see cref="Published"/>.</param>
    public static KeyMap Legacy(int layerCount, IEnumerable<int> attentionLayers, long rotaryDim = 0) => new(
    [
        .. Shared("s4seq.encoder", attentionLayers, rotaryDim),
        KeyMapRow.Rename("embedding.weight", "embeddings.word_embeddings.weight"),
        .. Norm("s4seq.encoder.norm", "layers.0.norm1"),
        .. Norm("s4seq.encoder.layers.{l}.norm1", "layers.{l}.norm2"),
        .. Norm($"s4seq.encoder.layers.{layerCount - 1}.norm2", "ln_f"),
        .. Norm("s4seq.encoder.layers.{l}.norm2", "layers.{l}.norm1", layerShift: 1),
    ]);

    /// <summary>Rotary's frequencies 10000^(-2t/R), t = 0 to R/2 - 1, float32.</summary>
    internal static Tensor Frequencies(long rotaryDim)
    {
        using var scope = NewDisposeScope();
        return pow(RotaryBase, arange(rotaryDim / 2, dtype: ScalarType.Float64) * (-2.0 / rotaryDim)).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private static IEnumerable<KeyMapRow> Shared(string root, IEnumerable<int> attentionLayers, long rotaryDim) =>
    [
        // Before the general rows, which would take the three projections for H3's.
        .. from layer in attentionLayers
           from part in (string[])["weight", "bias"]
           select KeyMapRow.Split(
               $"{root}.layers.{layer}.mixer.Wqkv.{part}",
               [$"layers.{layer}.mixer.q_proj.{part}", $"layers.{layer}.mixer.k_proj.{part}", $"layers.{layer}.mixer.v_proj.{part}"]),
        .. InLayers.Select(name => KeyMapRow.Rename($"{root}.layers.{{l}}.{name}", $"layers.{{l}}.{name}")),
        // Before the row that leaves any others out.
        .. attentionLayers.Where(_ => rotaryDim > 0)
            .Select(layer => KeyMapRow.Derive($"{root}.layers.{layer}.mixer.rotary_emb.inv_freq", () => Frequencies(rotaryDim))),
        KeyMapRow.Omit($"{root}.layers.{{l}}.mixer.rotary_emb.inv_freq"),
        KeyMapRow.Omit("lm_head.weight"),
    ];

    private static IEnumerable<KeyMapRow> Norm(string published, string ours, int layerShift = 0) =>
        new[] { "weight", "bias" }.Select(part => KeyMapRow.Rename($"{published}.{part}", $"{ours}.{part}", layerShift: layerShift));
}
