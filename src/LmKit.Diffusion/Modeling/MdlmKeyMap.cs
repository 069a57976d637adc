namespace LmKit;

/// <summary>The names of published masked-diffusion checkpoints: MDLM, DUO, SDTT and DiDi-Instruct families.</summary>
/// <remarks>From <c>blocks.{i}</c>, <c>sigma_map</c> and <c>output_layer</c> to a language model's layers, conditioning, last norm and head; the joint
/// linear of queries, keys and values becomes three. The published names may bear a prefix (<c>backbone.</c>, doubled in some files, or
/// <c>student_ema.</c>, <c>discriminator.</c>) and an infix left by a compiler; a table of rotary frequencies is computed here. Going back, names
/// get no prefix.</remarks>
public static class MdlmKeyMap
{
    private static readonly string[] prefixes =
    [
        "", "backbone.", "backbone.backbone.", "backbone._orig_mod.", "_orig_mod.", "student_ema.", "discriminator.",
    ];

    private static readonly (string Published, string Ours)[] names =
    [
        ("vocab_embed.embedding", "embeddings.word_embeddings.weight"),
        .. Affine("sigma_map.mlp.0", "conditioning.fc1"), .. Affine("sigma_map.mlp.2", "conditioning.fc2"),
        ("blocks.{i}.norm1.weight", "layers.{i}.norm1.weight"), ("blocks.{i}.norm2.weight", "layers.{i}.norm2.weight"),
        ("blocks.{i}.attn_out.weight", "layers.{i}.mixer.out_proj.weight"),
        .. Affine("blocks.{i}.mlp.0", "layers.{i}.mlp.fc1"), .. Affine("blocks.{i}.mlp.2", "layers.{i}.mlp.fc2"),
        .. Affine("blocks.{i}.adaLN_modulation", "layers.{i}.adaLN_modulation"),
        ("output_layer.norm_final.weight", "ln_f.norm.weight"), .. Affine("output_layer.adaLN_modulation", "ln_f.adaLN_modulation"),
        .. Affine("output_layer.linear", "lm_head"),
        .. Spectral("output_layer.main.0", "lm_head.0"), .. Spectral("output_layer.main.2", "lm_head.2"),
    ];

    /// <summary>From the published names of transformers and discriminators, with any of the prefixes, to ours.</summary>
    public static KeyMap Map { get; } = new([.. prefixes.SelectMany(Rows)]);

    private static IEnumerable<KeyMapRow> Rows(string prefix) =>
    [
        .. names.Select(name => KeyMapRow.Rename(prefix + name.Published, name.Ours)),
        KeyMapRow.Split($"{prefix}blocks.{{i}}.attn_qkv.weight", ["layers.{i}.mixer.q_proj.weight", "layers.{i}.mixer.k_proj.weight", "layers.{i}.mixer.v_proj.weight"]),
        KeyMapRow.Omit($"{prefix}rotary_emb.inv_freq"),
    ];

    private static (string, string)[] Affine(string published, string ours) => [($"{published}.weight", $"{ours}.weight"), ($"{published}.bias", $"{ours}.bias")];

    private static IEnumerable<(string, string)> Spectral(string published, string ours) =>
        new[] { "bias", "weight_orig", "weight_u", "weight_v" }.Select(name => ($"{published}.{name}", $"{ours}.{name}"));
}
