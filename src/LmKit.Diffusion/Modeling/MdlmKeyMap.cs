namespace LmKit;

/// <summary>The names of published masked-diffusion checkpoints: MDLM, DUO, SDTT and DiDi-Instruct families.</summary>
/// <remarks>Component names are the published ones; what differs is a prefix (<c>backbone.</c>, doubled in some files, or
/// <c>student_ema.</c>, <c>discriminator.</c>), an infix left by a compiler, and a table of rotary frequencies that is computed here.</remarks>
public static class MdlmKeyMap
{
    private static readonly string[] prefixes =
    [
        "", "backbone.", "backbone.backbone.", "backbone._orig_mod.", "_orig_mod.", "student_ema.", "discriminator.",
    ];

    private static readonly string[] names =
    [
        "vocab_embed.embedding",
        "sigma_map.mlp.0.weight", "sigma_map.mlp.0.bias", "sigma_map.mlp.2.weight", "sigma_map.mlp.2.bias",
        "blocks.{i}.norm1.weight", "blocks.{i}.norm2.weight", "blocks.{i}.attn_qkv.weight", "blocks.{i}.attn_out.weight",
        "blocks.{i}.mlp.0.weight", "blocks.{i}.mlp.0.bias", "blocks.{i}.mlp.2.weight", "blocks.{i}.mlp.2.bias",
        "blocks.{i}.adaLN_modulation.weight", "blocks.{i}.adaLN_modulation.bias",
        "output_layer.norm_final.weight", "output_layer.linear.weight", "output_layer.linear.bias",
        "output_layer.adaLN_modulation.weight", "output_layer.adaLN_modulation.bias",
        "output_layer.main.0.bias", "output_layer.main.0.weight_orig", "output_layer.main.0.weight_u", "output_layer.main.0.weight_v",
        "output_layer.main.2.bias", "output_layer.main.2.weight_orig", "output_layer.main.2.weight_u", "output_layer.main.2.weight_v",
    ];

    /// <summary>From the published names of transformers and discriminators, with any of the prefixes, to ours.</summary>
    public static KeyMap Map { get; } = new([.. prefixes.SelectMany(Rows)]);

    private static IEnumerable<KeyMapRow> Rows(string prefix) =>
        names.Select(name => KeyMapRow.Rename(prefix + name, name)).Append(KeyMapRow.Omit($"{prefix}rotary_emb.inv_freq"));
}
