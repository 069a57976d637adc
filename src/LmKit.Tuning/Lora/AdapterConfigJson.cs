using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>An adapter configuration as JSON, each of PEFT's keys obeyed, refused, or known to change nothing.</summary>
internal static class AdapterConfigJson
{
    private const string AllLinear = "all-linear";
    private const int MaxRank = 65536;

    // Keys that would change the arithmetic in ways that these adapters do not have.
    private static readonly string[] Unsupported =
    [
        "alora_invocation_tokens", "arrow_config", "corda_config", "ensure_weight_tying", "eva_config", "kasa_config", "layer_replication", "loftq_config",
        "lora_ga_config", "megatron_config", "modules_to_save", "monteclora_config", "target_parameters", "use_bdlora", "use_qalora", "velora_config",
    ];

    // Keys that are read, or that say nothing about what is computed.
    private static readonly HashSet<string> Known =
    [
        .. Unsupported, "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "exclude_modules", "fan_in_fan_out", "inference_mode",
        "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_bias", "lora_dropout", "megatron_core", "peft_type",
        "peft_version", "qalora_group_size", "r", "rank_pattern", "revision", "target_modules", "task_type", "trainable_token_indices", "use_dora",
        "use_rslora",
    ];

    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static AdapterConfig Read(string path, JsonObject json)
    {
        AdapterException Refused(string problem) => new(path, problem);
        if (Text(json["peft_type"]) is not "LORA")
            throw Refused($"peft_type is {Short(json["peft_type"])}; only \"LORA\" is supported.");
        foreach (var key in Unsupported.Where(key => IsSet(json[key])))
            throw Refused($"{key} is set, which changes what the adapter computes and is not supported.");
        var unknown = json.Select(pair => pair.Key).Where(key => !Known.Contains(key)).ToArray();
        foreach (var key in unknown.Where(key => IsSet(json[key])))
            throw Refused($"{key} = {Short(json[key])} is a setting that this LmKit does not know, so it could change what the adapter computes. Take a newer LmKit, or remove the key if it does not matter.");
        if (json["bias"] is { } bias && Text(bias) is not "none")
            throw Refused($"bias is {Short(bias)}; only \"none\" is supported (lora_bias is).");
        var (targets, pattern) = Names(json, "target_modules", Refused);
        var isString = pattern is not null;
        if (pattern?.Equals(AllLinear, StringComparison.OrdinalIgnoreCase) == true)
            (targets, pattern) = ([], null);
        else if (json["target_modules"] is not null && !isString && targets.Count == 0)
            throw Refused("target_modules is empty, so no module has an adapter. Name some, or write \"all-linear\".");
        var (excluded, excludedPattern) = Names(json, "exclude_modules", Refused);
        var layers = Value(json, "layers_to_transform", node => node is JsonArray array ? [.. array.Select(layer => (int)layer!)] : new[] { (int)node }, [], Refused);
        if (layers.Any(layer => layer < 0))
            throw Refused($"layers_to_transform is {Short(json["layers_to_transform"])}; layers count from 0.");
        var (layerNames, layerPattern) = Names(json, "layers_pattern", Refused);
        if (layerPattern is not null)
            layerNames = [layerPattern];
        foreach (var name in layerNames)
            CheckPattern("layers_pattern", name, Refused);
        if (layers.Length > 0 && isString)
            throw Refused("layers_to_transform needs target_modules to be a list, as in PEFT; put the layers into the pattern, or name the modules.");
        if (layers.Length == 0 && layerNames.Count > 0)
            throw Refused("layers_pattern has no meaning without layers_to_transform; remove it, or say which layers.");
        var (tokens, tokensModule) = Value(json, "trainable_token_indices", node => Tokens(node, Refused), ([], null), Refused);
        return new AdapterConfig(Options(json, tokens, Refused), targets, pattern, Text(json["base_model_name_or_path"]), Text(json["task_type"]))
        {
            ExcludedModules = excluded,
            ExcludedPattern = excludedPattern,
            Layers = layers,
            LayersPattern = layerNames,
            IsTransposed = Value(json, "fan_in_fan_out", node => (bool)node, false, Refused),
            Revision = Text(json["revision"]),
            TrainedTokensModule = tokensModule,
            UnknownKeys = unknown,
        };
    }

    internal static string Write(AdapterConfig config)
    {
        var all = new SortedDictionary<string, JsonNode?>(StringComparer.Ordinal);
        var lora = config.Lora;
        foreach (var key in Unsupported)
            all[key] = key is "use_bdlora" or "use_qalora" or "ensure_weight_tying" ? false : key == "loftq_config" ? new JsonObject() : null;
        all["alpha_pattern"] = Pattern(lora.AlphaPattern.Select(pair => (pair.Key, Number(pair.Value))));
        all["base_model_name_or_path"] = config.BaseModel;
        all["bias"] = "none";
        all["exclude_modules"] = config.ExcludedPattern is not null ? config.ExcludedPattern : List(config.ExcludedModules);
        all["fan_in_fan_out"] = config.IsTransposed;
        all["inference_mode"] = true;
        all["init_lora_weights"] = lora.Initialization switch { LoraInitialization.Gaussian => "gaussian", LoraInitialization.Orthogonal => "orthogonal", _ => true };
        all["layers_pattern"] = config.LayersPattern is [var only] ? only : List(config.LayersPattern);
        all["layers_to_transform"] = config.Layers.Count == 0 ? null : new JsonArray([.. config.Layers.Select(layer => (JsonNode)layer)]);
        all["lora_alpha"] = Number(lora.Alpha);
        all["lora_bias"] = lora.HasBias;
        all["lora_dropout"] = JsonNode.Parse(lora.DropoutRate == 0 ? "0.0" : JsonSerializer.Serialize(lora.DropoutRate));
        all["peft_type"] = "LORA";
        all["r"] = lora.Rank;
        all["rank_pattern"] = Pattern(lora.RankPattern.Select(pair => (pair.Key, (JsonNode)pair.Value)));
        all["revision"] = config.Revision;
        all["target_modules"] = config.TargetPattern is not null ? config.TargetPattern : List(config.TargetModules) ?? (JsonNode)AllLinear;
        all["task_type"] = config.TaskType;
        var tokens = lora.TrainedTokens.Length == 0 ? null : new JsonArray([.. lora.TrainedTokens.Select(token => (JsonNode)token)]);
        all["trainable_token_indices"] = tokens is null || config.TrainedTokensModule is null ? tokens : new JsonObject { [config.TrainedTokensModule] = tokens };
        all["use_dora"] = lora.IsWeightDecomposed;
        all["use_rslora"] = lora.IsRankStabilized;
        return new JsonObject(all).ToJsonString(Layout);
    }

    private static LoraOptions Options(JsonObject json, long[] tokens, Func<string, AdapterException> refused)
    {
        var options = new LoraOptions
        {
            Rank = Value(json, "r", node => (int)node, 8, refused),
            Alpha = Value(json, "lora_alpha", node => (double)node, 8, refused),
            DropoutRate = Value(json, "lora_dropout", node => (double)node, 0, refused),
            IsRankStabilized = Value(json, "use_rslora", node => (bool)node, false, refused),
            IsWeightDecomposed = Value(json, "use_dora", node => (bool)node, false, refused),
            HasBias = Value(json, "lora_bias", node => (bool)node, false, refused),
            Initialization = Initialization(json["init_lora_weights"], refused),
            RankPattern = Entries<int>(json, "rank_pattern", node => (int)node, refused),
            AlphaPattern = Entries<double>(json, "alpha_pattern", node => (double)node, refused),
            TrainedTokens = tokens,
        };
        if (options.Rank is < 1 or > MaxRank || !double.IsFinite(options.Alpha) || options.DropoutRate is not (>= 0 and < 1))
            throw refused($"r = {options.Rank}, lora_alpha = {options.Alpha}, lora_dropout = {options.DropoutRate}: one is out of range.");
        foreach (var (key, rank) in options.RankPattern.Where(pair => pair.Value is < 1 or > MaxRank))
            throw refused($"rank_pattern gives {key} the rank {rank}; ranks are 1 to {MaxRank}.");
        foreach (var (key, alpha) in options.AlphaPattern.Where(pair => !double.IsFinite(pair.Value)))
            throw refused($"alpha_pattern gives {key} the alpha {alpha}; a finite number is needed.");
        return options;
    }

    private static LoraInitialization Initialization(JsonNode? node, Func<string, AdapterException> refused) => node switch
    {
        null => LoraInitialization.KaimingUniform,
        JsonValue value when value.TryGetValue<bool>(out _) => LoraInitialization.KaimingUniform,
        JsonValue value when value.TryGetValue<string>(out var name) => name switch
        {
            "gaussian" => LoraInitialization.Gaussian,
            "orthogonal" => LoraInitialization.Orthogonal,
            _ => throw refused($"init_lora_weights '{name}' changed the base weights, or is not known not to; convert the adapter to plain LoRA first."),
        },
        _ => throw refused($"init_lora_weights is {Short(node)}; it is true, false, \"gaussian\" or \"orthogonal\"."),
    };

    // A string is a pattern, an array a list of names.
    private static (IReadOnlyList<string> Names, string? Pattern) Names(JsonObject json, string key, Func<string, AdapterException> refused)
    {
        switch (json[key])
        {
            case null:
                return ([], null);
            case JsonArray array:
                var names = array.Select(Text).ToArray();
                return names.All(name => !string.IsNullOrEmpty(name)) ? (names!, null) : throw refused($"{key} holds an entry that is no name: {Short(array)}.");
            case var node when Text(node) is { } pattern:
                if (pattern.Length == 0)
                    return ([], null);
                CheckPattern(key, pattern, refused);
                return ([], pattern);
            default:
                throw refused($"{key} is {Short(json[key])}; it is a string or a list of strings.");
        }
    }

    private static (long[] Tokens, string? Module) Tokens(JsonNode? node, Func<string, AdapterException> refused)
    {
        string? module = null;
        if (node is JsonObject modules)
        {
            if (modules.Count > 1)
                throw refused($"trainable_token_indices names {string.Join(" and ", modules.Select(pair => pair.Key))}; only rows of the input embedding are supported.");
            (module, node) = modules.Count == 0 ? (null, null) : (modules.First().Key, modules.First().Value);
        }
        if (node is null)
            return ([], null);
        if (node is not JsonArray array)
            throw refused($"trainable_token_indices is {Short(node)}; it is a list of token ids.");
        long[] tokens = [.. array.Select(token => (long)token!)];
        return tokens.All(token => token >= 0) && tokens.Distinct().Count() == tokens.Length
            ? (tokens, tokens.Length == 0 ? null : module)
            : throw refused("trainable_token_indices holds a negative id, or one twice.");
    }

    private static Dictionary<string, T> Entries<T>(JsonObject json, string key, Func<JsonNode, T?> read, Func<string, AdapterException> refused)
        where T : struct
    {
        var entries = new Dictionary<string, T>();
        foreach (var (name, _) in Value(json, key, node => node.AsObject(), [], refused))
        {
            CheckPattern(key, name, refused);
            entries[name] = Value(json[key]!.AsObject(), name, read, default, fault => refused($"{key}: {fault}"))
                ?? throw refused($"{key} gives {name} no value.");
        }
        return entries;
    }

    // A member of the type it should have, or the default where it is missing.
    private static T Value<T>(JsonObject json, string key, Func<JsonNode, T> read, T otherwise, Func<string, AdapterException> refused)
    {
        if (json[key] is not { } node)
            return otherwise;
        try
        {
            return read(node);
        }
        catch (Exception error) when (error is InvalidOperationException or FormatException or OverflowException or ArgumentException or NullReferenceException)
        {
            throw refused($"the file is not the JSON it should be: {key} is {Short(node)}.");
        }
    }

    private static void CheckPattern(string key, string pattern, Func<string, AdapterException> refused)
    {
        try
        {
            LoraPattern.Check(pattern);
        }
        catch (ArgumentException error)
        {
            throw refused($"{key}: {error.Message}");
        }
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static string Short(JsonNode? node) => node?.ToJsonString() is { } text ? text.Length <= 80 ? text : text[..77] + "..." : "null";

    private static bool IsSet(JsonNode? node) => node switch
    {
        null => false,
        JsonValue value when value.TryGetValue<bool>(out var flag) => flag,
        JsonValue value when value.TryGetValue<string>(out var text) => text.Length > 0,
        JsonArray array => array.Count > 0,
        JsonObject members => members.Count > 0,
        _ => true,
    };

    private static JsonArray? List(IReadOnlyList<string> names) =>
        names.Count == 0 ? null : new JsonArray([.. names.Order(StringComparer.Ordinal).Select(name => (JsonNode)name)]);

    private static JsonNode Number(double value) => value == Math.Floor(value) && Math.Abs(value) < 1e15 ? (JsonNode)(long)value : value;

    private static JsonObject Pattern(IEnumerable<(string Key, JsonNode Value)> entries) => new(entries.Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value)));
}
