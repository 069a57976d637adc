using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>A model's whole configuration as data: the builder only writes it, and building reads nothing else.</summary>
/// <remarks>Immutable. <see cref="ToJson"/> is deterministic (fixed key order, defaults written out, invariant numbers) and
/// round-trips, so a configuration can be snapshot-tested and shipped as <c>config.json</c>.</remarks>
public sealed record ModelConfig
{
    /// <summary>The version of the format that this library writes.</summary>
    public const int CurrentFormat = 1;

    private readonly JsonObject model;

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
    public ImmutableArray<ComponentEntry> Components { get; init; }

    /// <summary>A validated copy of the sizes and model-wide treatment.</summary>
    /// <exception cref="ConfigurationException">A value is impossible.</exception>
    public LanguageModelOptions ReadOptions() =>
        (LanguageModelOptions)OptionsJson.Read(model, typeof(LanguageModelOptions), "$.model");

    /// <summary>Adds a component at the end.</summary>
    public ModelConfig With(ComponentEntry entry) => this with { Components = Components.Add(entry) };

    /// <summary>Configurations are equal when their JSON texts are.</summary>
    public bool Equals(ModelConfig? other) => other is not null && ToJson() == other.ToJson();

    /// <inheritdoc/>
    public override int GetHashCode() => ToJson().GetHashCode(StringComparison.Ordinal);

    /// <summary>Writes it as JSON text.</summary>
    public string ToJson()
    {
        var root = new JsonObject
        {
            ["format"] = CurrentFormat,
            ["model"] = model.DeepClone(),
            ["components"] = new JsonArray([.. Components.Select(Write)]),
        };
        return root.ToJsonString(OptionsJson.Settings) + "\n";
    }

    /// <summary>Reads JSON text as <see cref="ToJson"/> wrote it.</summary>
    /// <exception cref="ConfigurationException">The text is not such a configuration; names the place.</exception>
    public static ModelConfig FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        var root = StrictJson.ParseObject(json, (place, problem, cause) => new ConfigurationException(place, problem, cause));
        var format = Member<JsonValue>(root, "$", "format").TryGetValue(out int version) ? version : 0;
        if (format != CurrentFormat)
            throw new ConfigurationException("$.format", $"{StrictJson.Shown(root["format"])} is not a format this LmKit reads; it reads {CurrentFormat}.");
        foreach (var (key, _) in root)
        {
            if (key is not ("format" or "model" or "components"))
                throw new ConfigurationException($"$.{key}", "unknown member; a configuration has format, model and components.");
        }
        var model = Member<JsonObject>(root, "$", "model");
        var components = Member<JsonArray>(root, "$", "components").Select(Read);
        var config = new ModelConfig((JsonObject)model.DeepClone(), [.. components]);
        _ = config.ReadOptions();
        return config;
    }

    private static JsonNode Write(ComponentEntry entry) => new JsonObject
    {
        ["slot"] = JsonSerializer.SerializeToNode(entry.Slot, OptionsJson.Settings),
        ["kind"] = entry.Kind,
        ["package"] = entry.Package,
        ["layers"] = entry.Layers is { } layers ? new JsonArray([.. layers.Select(layer => (JsonNode)layer)]) : null,
        ["sites"] = entry.Sites is { } sites ? new JsonArray([.. sites.Select(site => (JsonNode)site)]) : null,
        ["options"] = entry.Options.DeepClone(),
    };

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
                Slot(Member<JsonValue>(entry, path, "slot"), path),
                Member<JsonValue>(entry, path, "kind").GetValue<string>(),
                Member<JsonValue>(entry, path, "package").GetValue<string>(),
                (JsonObject)Member<JsonObject>(entry, path, "options").DeepClone(),
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
            : throw new ConfigurationException($"{path}.{name}[{index}]", $"{StrictJson.Shown(item)} is no {(typeof(T) == typeof(int) ? "number of a layer" : "text")}."))],
        var other => throw new ConfigurationException($"{path}.{name}", $"{StrictJson.Shown(other)} is no list."),
    };

    private static ComponentSlot Slot(JsonValue value, string path)
    {
        try
        {
            return value.Deserialize<ComponentSlot>(OptionsJson.Settings);
        }
        catch (JsonException error)
        {
            var slots = Enum.GetValues<ComponentSlot>().Select(slot => JsonSerializer.Serialize(slot, OptionsJson.Settings));
            throw new ConfigurationException($"{path}.slot", $"{StrictJson.Shown(value)} is no slot; slots are {string.Join(", ", slots)}.", error);
        }
    }

    private static T Member<T>(JsonObject parent, string path, string name)
        where T : JsonNode =>
        parent[name] as T ?? throw new ConfigurationException($"{path}.{name}", "is missing or of the wrong type.");
}
