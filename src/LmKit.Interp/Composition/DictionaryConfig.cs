using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>What a dictionary is, as a value: its kind, its options, and where in which model it belongs.</summary>
/// <remarks>Immutable, and equal by value: configurations are equal when their JSON texts are. <see cref="ToString"/> is the text, and
/// serialising the object itself with System.Text.Json gives the same.</remarks>
[JsonConverter(typeof(JsonTextConverter<DictionaryConfig>))]
[TypeConverter(typeof(JsonTextTypeConverter<DictionaryConfig>))]
public sealed record DictionaryConfig : IJsonText<DictionaryConfig>
{
    private static readonly string[] members = ["kind", "package", "hook_name", "model_name", "options"];
    private static readonly JsonSerializerOptions layout = new() { WriteIndented = true, NewLine = "\n" };

    private readonly JsonObject options; // never changed and never handed out

    /// <summary>Makes a configuration.</summary>
    /// <param name="kind">The kind's name.</param>
    /// <param name="package">The package that brings the kind.</param>
    /// <param name="options">The kind's options, defaults written out; copied.</param>
    /// <param name="hookName">The point of the model whose activations it codes; null when unknown.</param>
    /// <param name="modelName">The model, in the user's words; null when unknown.</param>
    public DictionaryConfig(string kind, string package, JsonObject options, string? hookName = null, string? modelName = null)
    {
        ArgumentNullException.ThrowIfNull(kind);
        ArgumentNullException.ThrowIfNull(package);
        ArgumentNullException.ThrowIfNull(options);
        (Kind, Package, HookName, ModelName) = (kind, package, hookName, modelName);
        this.options = (JsonObject)options.DeepClone();
    }

    /// <summary>The kind's name.</summary>
    public string Kind { get; }

    /// <summary>The package that brings the kind.</summary>
    public string Package { get; }

    /// <summary>A copy of the kind's options.</summary>
    public JsonObject Options => (JsonObject)options.DeepClone();

    /// <summary>The point of the model whose activations it codes; null when unknown.</summary>
    public string? HookName { get; init; }

    /// <summary>The model, in the user's words; null when unknown.</summary>
    public string? ModelName { get; init; }

    /// <summary>Describes a dictionary to be made.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="configure">Fills its options.</param>
    /// <param name="hookName">The point of the model.</param>
    public static DictionaryConfig For<TOptions>(Kind<TOptions, IDictionary> kind, Action<TOptions> configure, string? hookName = null)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(kind);
        ArgumentNullException.ThrowIfNull(configure);
        var filled = new TOptions();
        configure(filled);
        return new(kind.Name, kind.Package, OptionsJson.Write(filled), hookName);
    }

    /// <summary>Makes the dictionary; the caller disposes it.</summary>
    /// <param name="parameters">Makes its parameters.</param>
    /// <param name="kinds">Kinds that the configuration may name; null for those of LmKit.Interp, which are always known.</param>
    /// <exception cref="ConfigurationException">The kind is unknown or an option cannot work; names the place and the value.</exception>
    public IDictionary Create(ParameterFactory parameters, ComponentRegistry? kinds = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var kind = (Kind<IDictionary>)(kinds ?? new ComponentRegistry()).Find(Slots.Dictionary, Kind, Package, "$", DictionaryComponents.All);
        var read = OptionsJson.Read(options, kind.OptionsType, "$.options");
        try
        {
            return kind.Create(read, new DictionarySite(parameters));
        }
        catch (Exception error) when (BuildFault.IsOfOptions(error))
        {
            throw BuildFault.From(kind, "$.options", error);
        }
    }

    /// <summary>Configurations are equal when their JSON texts are.</summary>
    public bool Equals(DictionaryConfig? other) => other is not null && ToJson() == other.ToJson();

    /// <inheritdoc/>
    public override int GetHashCode() => ToJson().GetHashCode(StringComparison.Ordinal);

    /// <summary>The JSON text.</summary>
    public override string ToString() => ToJson();

    /// <summary>The configuration as JSON: fixed order, defaults written out.</summary>
    public string ToJson() => ToJsonObject().ToJsonString(layout) + "\n";

    /// <summary>Reads a configuration.</summary>
    /// <exception cref="ConfigurationException">It is no JSON object, lacks a member or has an unknown one.</exception>
    public static DictionaryConfig FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return Of(StrictJson.ParseObject(json, (place, problem, cause) => new ConfigurationException(place, problem, cause)));
    }

    /// <summary>Reads a configuration's file; every fault names it.</summary>
    internal static DictionaryConfig Read(string path)
    {
        try
        {
            return Of(StrictJson.ReadObject(path, (place, problem, cause) => new ConfigurationException(place, problem, cause)));
        }
        catch (ConfigurationException error)
        {
            throw ConfigurationException.In(path, error);
        }
    }

    private JsonObject ToJsonObject() => new()
    {
        ["kind"] = Kind,
        ["package"] = Package,
        ["hook_name"] = HookName,
        ["model_name"] = ModelName,
        ["options"] = options.DeepClone(),
    };

    private static DictionaryConfig Of(JsonObject root)
    {
        if (root.Select(member => member.Key).Except(members).FirstOrDefault() is { } unknown)
            throw new ConfigurationException($"$.{unknown}", $"unknown; the members are {string.Join(", ", members)}.");
        return new(
            Text(root, "kind") ?? throw new ConfigurationException("$.kind", "missing."),
            Text(root, "package") ?? throw new ConfigurationException("$.package", "missing."),
            root["options"] as JsonObject ?? throw new ConfigurationException("$.options", "missing or no object."),
            Text(root, "hook_name"),
            Text(root, "model_name"));
    }

    private static string? Text(JsonObject root, string name) => root[name] switch
    {
        null => null,
        JsonValue value when value.TryGetValue<string>(out var text) => text,
        var other => throw new ConfigurationException($"$.{name}", $"{StrictJson.Shown(other)}: a text is needed."),
    };
}
