using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>What <c>adapter_config.json</c> says (PEFT's layout).</summary>
/// <param name="Lora">Rank, scale and kind of the adapters.</param>
/// <param name="TargetModules">Module names or name ends that have an adapter; empty when a pattern or all linears are meant.</param>
/// <param name="TargetPattern">A regular expression for whole module names, or null.</param>
/// <param name="BaseModel">The base model's name as the file states it; never opened.</param>
/// <param name="TaskType">The task, such as CAUSAL_LM.</param>
public sealed record AdapterConfig(
    LoraOptions Lora,
    IReadOnlyList<string> TargetModules,
    string? TargetPattern = null,
    string? BaseModel = null,
    string? TaskType = "CAUSAL_LM")
{
    private const string AllLinear = "all-linear";
    private const long MaxBytes = 1 << 20;

    // Keys that would change the arithmetic in ways that these adapters do not have.
    private static readonly string[] Unsupported =
    [
        "alora_invocation_tokens", "arrow_config", "eva_config", "kasa_config", "layer_replication", "lora_ga_config", "modules_to_save",
        "monteclora_config", "target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora", "velora_config", "corda_config",
    ];

    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Reads the file's text.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="AdapterException">It is not such a file, or asks for what these adapters do not have.</exception>
    public static AdapterConfig Read(string path)
    {
        if (!File.Exists(path))
            throw new AdapterException(path, "the file is missing.");
        if (new FileInfo(path).Length > MaxBytes)
            throw new AdapterException(path, $"the file is larger than {MaxBytes} bytes; that is no adapter configuration.");
        try
        {
            return Read(path, JsonNode.Parse(File.ReadAllText(path), null, new JsonDocumentOptions { MaxDepth = 8 })!.AsObject());
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or ArgumentException or NullReferenceException)
        {
            throw new AdapterException(path, $"the file is not the JSON it should be: {error.Message}", error);
        }
    }

    /// <summary>The file's text: sorted keys, two blanks of indentation.</summary>
    public string ToJson()
    {
        var all = new SortedDictionary<string, JsonNode?>(StringComparer.Ordinal);
        foreach (var key in Unsupported)
            all[key] = key is "use_bdlora" or "use_qalora" ? false : null;
        all["alpha_pattern"] = Pattern(Lora.AlphaPattern.Select(pair => (pair.Key, Number(pair.Value))));
        all["base_model_name_or_path"] = BaseModel;
        all["bias"] = "none";
        all["fan_in_fan_out"] = false;
        all["inference_mode"] = true;
        all["init_lora_weights"] = Lora.Initialization == LoraInitialization.Gaussian ? "gaussian" : true;
        all["lora_alpha"] = Number(Lora.Alpha);
        all["lora_bias"] = Lora.HasBias;
        all["lora_dropout"] = JsonNode.Parse(Lora.DropoutRate == 0 ? "0.0" : JsonSerializer.Serialize(Lora.DropoutRate));
        all["peft_type"] = "LORA";
        all["r"] = Lora.Rank;
        all["rank_pattern"] = Pattern(Lora.RankPattern.Select(pair => (pair.Key, (JsonNode)pair.Value)));
        all["target_modules"] = TargetPattern is not null ? TargetPattern
            : TargetModules.Count == 0 ? AllLinear
            : new JsonArray([.. TargetModules.Order(StringComparer.Ordinal).Select(name => (JsonNode)name)]);
        all["task_type"] = TaskType;
        all["use_dora"] = Lora.IsWeightDecomposed;
        all["use_rslora"] = Lora.IsRankStabilized;
        return new JsonObject(all).ToJsonString(Layout);
    }

    /// <summary>Whether a module of this name has an adapter.</summary>
    /// <param name="module">The whole name, such as <c>layers.0.self_attn.q_proj</c>.</param>
    public bool Targets(string module)
    {
        ArgumentNullException.ThrowIfNull(module);
        if (TargetPattern is not null)
            return LoraPattern.IsWholeMatch(TargetPattern, module);
        return TargetModules.Count == 0 || TargetModules.Any(name => module == name || module.EndsWith("." + name, StringComparison.Ordinal));
    }

    private static AdapterConfig Read(string path, JsonObject json)
    {
        if ((string?)json["peft_type"] is not "LORA" and var type)
            throw new AdapterException(path, $"peft_type is '{type}'; only LORA is supported.");
        foreach (var key in Unsupported)
        {
            if (IsSet(json[key]))
                throw new AdapterException(path, $"{key} is set, which changes what the adapter computes and is not supported.");
        }
        if ((string?)json["bias"] is not (null or "none") and var bias)
            throw new AdapterException(path, $"bias is '{bias}'; only none is supported (lora_bias is).");
        var initialization = json["init_lora_weights"] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
        if (initialization is not (null or "gaussian"))
            throw new AdapterException(path, $"init_lora_weights '{initialization}' changed the base weights; convert the adapter to plain LoRA first.");
        var target = json["target_modules"];
        var pattern = target is JsonValue ? (string?)target : null;
        var options = new LoraOptions
        {
            Rank = (int?)json["r"] ?? 8,
            Alpha = (double?)json["lora_alpha"] ?? 8,
            DropoutRate = (double?)json["lora_dropout"] ?? 0,
            IsRankStabilized = (bool?)json["use_rslora"] ?? false,
            IsWeightDecomposed = (bool?)json["use_dora"] ?? false,
            HasBias = (bool?)json["lora_bias"] ?? false,
            Initialization = initialization is null ? LoraInitialization.KaimingUniform : LoraInitialization.Gaussian,
            RankPattern = Entries(json["rank_pattern"]).ToDictionary(pair => pair.Key, pair => (int)pair.Value!),
            AlphaPattern = Entries(json["alpha_pattern"]).ToDictionary(pair => pair.Key, pair => (double)pair.Value!),
        };
        if (options.Rank is < 1 or > 65536 || !double.IsFinite(options.Alpha) || options.DropoutRate is not (>= 0 and < 1))
            throw new AdapterException(path, $"r = {options.Rank}, lora_alpha = {options.Alpha}, lora_dropout = {options.DropoutRate}: one is out of range.");
        return new AdapterConfig(
            options,
            target is JsonArray names ? [.. names.Select(name => (string)name!)] : [],
            pattern == AllLinear ? null : pattern,
            (string?)json["base_model_name_or_path"],
            (string?)json["task_type"]);
    }

    private static JsonObject Entries(JsonNode? node) => node is null ? [] : node.AsObject();

    private static bool IsSet(JsonNode? node) => node switch
    {
        null => false,
        JsonValue value when value.TryGetValue<bool>(out var flag) => flag,
        JsonArray array => array.Count > 0,
        JsonObject members => members.Count > 0,
        _ => true,
    };

    private static JsonNode Number(double value) => value == Math.Floor(value) && Math.Abs(value) < 1e15 ? (JsonNode)(long)value : value;

    private static JsonObject Pattern(IEnumerable<(string Key, JsonNode Value)> entries) => new(entries.Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value)));
}
