using System.Collections.Immutable;
using System.ComponentModel;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>A model's whole configuration as a value: the builder only writes it, and building reads nothing else.</summary>
/// <remarks>Immutable, and equal by value: configurations are equal when their JSON texts are. <see cref="ToJson"/> is deterministic (fixed
/// key order, defaults written out, invariant numbers) and round-trips; serialising the object itself with System.Text.Json gives the same,
/// and <see cref="ToString"/> is the text, so any snapshot library shows every size and option.</remarks>
[JsonConverter(typeof(JsonTextConverter<ModelConfig>))]
[TypeConverter(typeof(JsonTextTypeConverter<ModelConfig>))]
public sealed record ModelConfig : IJsonText<ModelConfig>
{
    /// <summary>The version of the format that this library writes; it reads version 1 too.</summary>
    public const int CurrentFormat = 2;

    private readonly JsonObject model; // never changed and never handed out

    /// <summary>Makes a configuration.</summary>
    /// <param name="options">Sizes and model-wide treatment; copied.</param>
    /// <param name="components">Components in the order in which they were added.</param>
    public ModelConfig(LanguageModelOptions options, ImmutableArray<ComponentEntry> components)
    {
        ArgumentNullException.ThrowIfNull(options);
        model = OptionsJson.Write(options);
        Components = components;
    }

    private ModelConfig(JsonObject model, ImmutableArray<ComponentEntry> components)
    {
        this.model = model;
        Components = components;
    }

    /// <summary>Components in the order in which they were added; the last that applies to a place wins it.</summary>
    /// <exception cref="ArgumentException">It is the default of its type, or an entry is null.</exception>
    public ImmutableArray<ComponentEntry> Components
    {
        get;
        init => field = value.IsDefault || value.Contains(null!)
            ? throw new ArgumentException($"{nameof(Components)} {(value.IsDefault ? "was never made; an empty list is []" : "holds null; each entry is a component")}.", nameof(value))
            : value;
    }

    /// <summary>A validated copy of the sizes and model-wide treatment.</summary>
    /// <exception cref="ConfigurationException">A value is impossible.</exception>
    public LanguageModelOptions ReadOptions() =>
        (LanguageModelOptions)OptionsJson.Read(model, typeof(LanguageModelOptions), "$.model");

    /// <summary>Adds a component at the end.</summary>
    public ModelConfig With(ComponentEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return this with { Components = Components.Add(entry) };
    }

    /// <summary>Configurations are equal when their JSON texts are.</summary>
    public bool Equals(ModelConfig? other) => other is not null && ToJson() == other.ToJson();

    /// <inheritdoc/>
    public override int GetHashCode() => ToJson().GetHashCode(StringComparison.Ordinal);

    /// <summary>The JSON text.</summary>
    public override string ToString() => ToJson();

    /// <summary>Writes it as JSON text.</summary>
    public string ToJson() => ToJsonObject().ToJsonString(OptionsJson.Settings) + "\n";

    internal JsonObject ToJsonObject() => new()
    {
        ["format"] = CurrentFormat,
        ["model"] = model.DeepClone(),
        ["components"] = new JsonArray([.. Components.Select(entry => (JsonNode)entry.ToJsonObject())]),
    };

    /// <summary>Reads JSON text as <see cref="ToJson"/> wrote it, of this version or an earlier one.</summary>
    /// <exception cref="ConfigurationException">The text is not such a configuration; names the place.</exception>
    public static ModelConfig FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        var root = StrictJson.ParseObject(json, (place, problem, cause) => new ConfigurationException(place, problem, cause));
        var format = Member<JsonValue>(root, "$", "format").TryGetValue(out int version) ? version : 0;
        if (format is < 1 or > CurrentFormat)
            throw new ConfigurationException("$.format", $"{StrictJson.Shown(root["format"])} is not a format this LmKit reads; it reads 1 to {CurrentFormat}.");
        foreach (var (key, _) in root)
        {
            if (key is not ("format" or "model" or "components"))
                throw new ConfigurationException($"$.{key}", "unknown member; a configuration has format, model and components.");
        }
        var model = (JsonObject)Member<JsonObject>(root, "$", "model").DeepClone();
        var components = Member<JsonArray>(root, "$", "components").Select(Read).ToList();
        if (format < 2)
            FirstFormat.Upgrade(model, components);
        var config = new ModelConfig(model, [.. components]);
        _ = config.ReadOptions();
        return config;
    }

    private static ComponentEntry Read(JsonNode? node, int index)
    {
        var path = $"$.components[{index}]";
        var entry = node as JsonObject ?? throw new ConfigurationException(path, "expected an object");
        foreach (var (key, _) in entry)
        {
            if (key is not ("slot" or "kind" or "package" or "layers" or "sites" or "options"))
                throw new ConfigurationException($"{path}.{key}", "unknown member; a component has slot, kind, package, layers, sites and options.");
        }
        try
        {
            return new ComponentEntry(
                ReadSlot(Member<JsonValue>(entry, path, "slot"), path),
                Member<JsonValue>(entry, path, "kind").GetValue<string>(),
                Member<JsonValue>(entry, path, "package").GetValue<string>(),
                Member<JsonObject>(entry, path, "options"),
                List<int>(entry, path, "layers"),
                List<string>(entry, path, "sites"));
        }
        catch (Exception error) when (StrictJson.IsOfReading(error))
        {
            throw new ConfigurationException(path, $"cannot be read: {error.Message}", error);
        }
    }

    private static ImmutableArray<T>? List<T>(JsonObject entry, string path, string name) => entry[name] switch
    {
        null => null,
        JsonArray list => [.. list.Select((item, index) => item is JsonValue value && value.TryGetValue<T>(out var read)
            ? read
            : throw new ConfigurationException($"{path}.{name}[{index}]", $"{StrictJson.Shown(item)} is not {(typeof(T) == typeof(int) ? "the number of a layer" : "a text")}."))],
        var other => throw new ConfigurationException($"{path}.{name}", $"{StrictJson.Shown(other)} is not a list."),
    };

    private static Slot ReadSlot(JsonValue value, string path) =>
        (value.TryGetValue<string>(out var name) ? Slots.All.FirstOrDefault(slot => slot.Name == name) : null)
        ?? throw new ConfigurationException($"{path}.slot", $"{StrictJson.Shown(value)} is not a slot; slots are {string.Join(", ", Slots.All)}.");

    private static T Member<T>(JsonObject parent, string path, string name)
        where T : JsonNode =>
        parent[name] as T ?? throw new ConfigurationException($"{path}.{name}", "is missing or of the wrong type.");
}

/// <summary>Configurations of the first format: positions stood among the options of attention and of the model.</summary>
file static class FirstFormat
{
    private static readonly string[] members = ["position_encoding", "rotary_dim", "rope_theta", "rotary_interleaved"];

    internal static void Upgrade(JsonObject model, List<ComponentEntry> components)
    {
        var upgraded = new List<ComponentEntry>();
        if (model["max_position_embeddings"] is { } count)
        {
            _ = model.Remove("max_position_embeddings");
            if (count is not JsonValue value || !value.TryGetValue<long>(out var positions) || positions != 0)
                upgraded.Add(Positions("learned", new JsonObject { ["max_position_embeddings"] = count.DeepClone() }, null));
        }
        var layerCount = model["n_layer"] is JsonValue layers && layers.TryGetValue<int>(out var stated) ? Math.Min(stated, 10_000) : 0;
        var winners = Winners(components, layerCount);
        var hasEncodings = components.Any(entry => IsAttention(entry) && Encoding(entry.Frozen) != "none");
        // In that format a part for no layer was passed over.
        foreach (var entry in components.Where(entry => entry.Layers is not { IsEmpty: true } || (entry.Slot != Slots.Mixer && entry.Slot != Slots.FeedForward)))
        {
            if (!IsAttention(entry))
            {
                upgraded.Add(entry);
                continue;
            }
            var options = entry.Options;
            var encoding = Encoding(options);
            var rotary = new JsonObject();
            foreach (var name in members)
            {
                if (options[name] is { } member && name != "position_encoding")
                    rotary[name] = member.DeepClone();
                _ = options.Remove(name);
            }
            upgraded.Add(entry.WithOptions(options));
            if (hasEncodings && winners.Contains(entry))
                upgraded.Add(Positions(encoding, encoding == "rotary" ? rotary : [], entry.Layers));
        }
        components.Clear();
        components.AddRange(upgraded);
    }

    // Mixers that another one replaced everywhere have no use for positions.
    private static HashSet<ComponentEntry> Winners(List<ComponentEntry> components, int layerCount)
    {
        var free = Enumerable.Range(0, Math.Max(0, layerCount)).ToHashSet();
        var winners = new HashSet<ComponentEntry>(ReferenceEqualityComparer.Instance);
        foreach (var entry in Enumerable.Reverse(components).Where(entry => entry.Slot == Slots.Mixer))
        {
            var before = free.Count;
            if (entry.Layers is { } layers)
                free.ExceptWith(layers);
            else
                free.Clear();
            if (free.Count < before)
                _ = winners.Add(entry);
        }
        return winners;
    }

    private static bool IsAttention(ComponentEntry entry) => entry.Slot == Slots.Mixer && entry is { Kind: "attention", Package: "LmKit.Core" };

    private static string Encoding(JsonObject options) => options["position_encoding"] switch
    {
        null => "none",
        JsonValue value when value.TryGetValue<string>(out var name) => name,
        var other => throw new ConfigurationException("$.components", $"position_encoding = {StrictJson.Shown(other)} is not a text."),
    };

    private static ComponentEntry Positions(string kind, JsonObject options, ImmutableArray<int>? layers) => new(Slots.Positions, kind, "LmKit.Core", options, layers);
}
