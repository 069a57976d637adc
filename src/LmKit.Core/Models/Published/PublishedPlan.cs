using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>What a family makes of its configuration: a builder, and the names of its weights.</summary>
/// <param name="config">The configuration.</param>
internal sealed class PublishedPlan(PublishedConfig config)
{
    private readonly List<KeyMapRow> rows = [];

    internal PublishedConfig Config => config;

    internal LanguageModelBuilder Builder { get; } = new();

    /// <summary>The rows of the key map, with the prefixes.</summary>
    internal IReadOnlyList<KeyMapRow> Rows => rows;

    /// <summary>What stands before all names but the head's, unless the file is of the model without a head.</summary>
    internal required string Prefix { get; init; }

    /// <summary>Where a layer's names begin, behind the prefix.</summary>
    internal required string Layer { get; init; }

    /// <summary>The table of tokens, behind the prefix.</summary>
    internal required string Embedding { get; init; }

    internal required string Head { get; init; }

    /// <summary>Names of old buffers that are not weights, behind the layer.</summary>
    internal string Attention { get; init; } = "self_attn";

    internal bool IsTied => Builder.Options.IsHeadTied;

    internal int LayerCount => Builder.LayerCount;

    /// <summary>Sizes, the table, the last norm and the head.</summary>
    internal void Frame(bool isTied, string lastNorm, bool hasNormBias, bool hasHeadBias = false, string? width = null, string? layers = null)
    {
        Builder.VocabSize = config.Size(1, int.MaxValue, "vocab_size");
        Builder.ModelDim = config.Size(1, 1 << 20, Named(width, "hidden_size", "n_embd", "n_embed", "d_model"));
        Builder.LayerCount = (int)config.Size(1, 10_000, Named(layers, "num_hidden_layers", "n_layer", "n_layers"));
        Builder.Options.IsHeadTied = config.Flag(isTied, "tie_word_embeddings");
        Rename(Prefix + Embedding, "embeddings.word_embeddings.weight");
        Affine(Prefix + lastNorm, "ln_f", hasNormBias);
        if (!Builder.Options.IsHeadTied)
            Rename(Head + ".weight", "lm_head.weight");
        if (hasHeadBias)
            Rename(Head + ".bias", "lm_head.bias");
    }

    /// <summary>The names of a quantity, the family's own first.</summary>
    internal static string[] Named(string? own, params string[] names) => own is null ? names : [own, .. names.Where(name => name != own)];

    internal void Rename(string published, string ours, LayoutStep? step = null) => rows.Add(KeyMapRow.Rename(published, ours, step));

    /// <summary>A weight, and a bias where there is one.</summary>
    internal void Affine(string published, string ours, bool hasBias, LayoutStep? step = null)
    {
        Rename(published + ".weight", ours + ".weight", step);
        if (hasBias)
            Rename(published + ".bias", ours + ".bias");
    }

    /// <summary>A layer's weight, and a bias where there is one.</summary>
    internal void InLayer(string published, string ours, bool hasBias, LayoutStep? step = null) =>
        Affine($"{Prefix}{Layer}.{{l}}.{published}", $"layers.{{l}}.{ours}", hasBias, step);

    /// <summary>Several maps of a layer that are published as one.</summary>
    internal void Fused(string published, string[] ours, bool hasBias, LayoutStep step, LayoutStep? biasStep = null)
    {
        rows.Add(new KeyMapRow([$"{Prefix}{Layer}.{{l}}.{published}.weight"], [.. ours.Select(name => $"layers.{{l}}.{name}.weight")], step));
        if (hasBias)
            rows.Add(new KeyMapRow([$"{Prefix}{Layer}.{{l}}.{published}.bias"], [.. ours.Select(name => $"layers.{{l}}.{name}.bias")], biasStep ?? step));
    }

    internal static readonly string[] QueryKeyValue = ["mixer.q_proj", "mixer.k_proj", "mixer.v_proj"];

    internal Activation Activation(string otherwise, params string[] names)
    {
        var name = config.TryText(names) ?? otherwise;
        return activations.TryGetValue(name, out var activation) ? activation
            : throw config.Wrong(names.First(config.Has), JsonValue.Create(name), $"is not an activation that LmKit knows; it knows {string.Join(", ", activations.Keys)}");
    }

    private static readonly Dictionary<string, Activation> activations = new(StringComparer.Ordinal)
    {
        ["silu"] = LmKit.Activation.Silu,
        ["swish"] = LmKit.Activation.Silu,
        ["relu"] = LmKit.Activation.Relu,
        ["gelu"] = LmKit.Activation.Gelu,
        ["gelu_new"] = LmKit.Activation.GeluTanh,
        ["gelu_pytorch_tanh"] = LmKit.Activation.GeluTanh,
        ["gelu_fast"] = LmKit.Activation.GeluFast,
    };

    /// <summary>Query heads, which must divide the width where no head width is given.</summary>
    internal (int Queries, int Keys, long Width) Heads(string? own = null, int? keyDefault = null, long? widthDefault = null, bool hasFewKeys = true)
    {
        var names = Named(own, "num_attention_heads", "n_head", "n_heads");
        var queries = (int)config.Size(1, 1024, names);
        var keys = queries;
        if (hasFewKeys)
        {
            keys = (int)(config.TrySize(1, 1024, "num_key_value_heads") ?? (config.Has("num_key_value_heads") || keyDefault is null ? queries : keyDefault.Value));
            if (queries % keys != 0)
                throw new ConfigurationException(config.Place("num_key_value_heads"), $"{keys}{(config.Has("num_key_value_heads") ? "" : " (the default where the key is absent)")} does not divide {config.Place(names[0])} = {queries}");
        }
        var width = hasFewKeys ? config.TrySize(1, 65536, "head_dim") ?? (config.Has("head_dim") ? null : widthDefault) : null;
        if (width is null && Builder.ModelDim % queries != 0)
            throw new ConfigurationException(config.Place(names[0]), $"{queries} does not divide the model's width {Builder.ModelDim}");
        return (queries, keys, width ?? Builder.ModelDim / queries);
    }

    /// <summary>The layers that have a sliding window; all others see everything.</summary>
    /// <param name="isWindowed">The family's rule, where <c>layer_types</c> does not say it.</param>
    internal int[] WindowLayers(Func<int, bool> isWindowed)
    {
        if (config.TryTexts("layer_types") is not { } types)
            return [.. Enumerable.Range(0, LayerCount).Where(isWindowed)];
        if (types.Length != LayerCount)
            throw new ConfigurationException(config.Place("layer_types"), $"has {types.Length} entries for {LayerCount} layers");
        return [.. types.Index().Where(type => type.Item switch
        {
            "sliding_attention" => true,
            "full_attention" => false,
            var other => throw new ConfigurationException($"{config.Place("layer_types")}[{type.Index}]", $"'{StrictJson.Shown(other)}' is not a kind of layer that LmKit knows; it knows full_attention and sliding_attention"),
        }).Select(type => type.Index)];
    }

    /// <summary>Gives layers a window.</summary>
    internal void AddWindow(long window, int[] layers)
    {
        if (layers.Length > 0)
            _ = Builder.AddSlidingWindowMask(options => options.Window = window, layers.Length == LayerCount ? null : layers);
    }

    /// <summary>A window for every layer, or for none.</summary>
    internal void AddOneWindow(long? otherwise)
    {
        var window = config.TrySize(1, int.MaxValue, "sliding_window") ?? (config.Has("sliding_window") ? null : otherwise);
        var layers = WindowLayers(_ => window is not null);
        if (layers.Length != (window is null ? 0 : LayerCount))
            throw new ConfigurationException(config.Place("layer_types"), $"names {layers.Length} layers with a window, but in this family one window ({config.Place("sliding_window")}, here {(window is null ? "none" : $"{window}")}) serves all layers");
        if (window is { } width)
            AddWindow(width, layers);
    }

    internal void AddRotary(RotaryOptions rotary, int[]? layers = null) => _ = Builder.AddRotary(
        options => (options.Base, options.Dim, options.IsInterleaved, options.Scaling) = (rotary.Base, rotary.Dim, rotary.IsInterleaved, rotary.Scaling),
        layers);
}
