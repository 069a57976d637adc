using System.Text.Json;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>What a dictionary is: its kind, its options, and where in which model it belongs.</summary>
/// <param name="Kind">The kind's name.</param>
/// <param name="Package">The package that brings the kind.</param>
/// <param name="Options">The kind's options, defaults written out.</param>
/// <param name="HookName">The point of the model whose activations it codes; null when unknown.</param>
/// <param name="ModelName">The model, in the user's words; null when unknown.</param>
public sealed record DictionaryConfig(string Kind, string Package, JsonObject Options, string? HookName = null, string? ModelName = null)
{
    private static readonly string[] _members = ["kind", "package", "hook_name", "model_name", "options"];
    private static readonly JsonSerializerOptions _layout = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>Describes a dictionary to be made.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="configure">Fills its options.</param>
    /// <param name="hookName">The point of the model.</param>
    public static DictionaryConfig For<TOptions>(Kind<TOptions, IDictionary> kind, Action<TOptions> configure, string? hookName = null)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(kind);
        ArgumentNullException.ThrowIfNull(configure);
        var options = new TOptions();
        configure(options);
        return new(kind.Name, kind.Package, OptionsJson.Write(options), hookName);
    }

    /// <summary>Makes the dictionary; the caller disposes it.</summary>
    /// <param name="parameters">Makes its parameters.</param>
    /// <param name="kinds">Kinds that the configuration may name; null for those of LmKit.Interp, which are always known.</param>
    /// <exception cref="ConfigurationException">The kind is unknown or an option cannot work; names the place and the value.</exception>
    public IDictionary Create(ParameterFactory parameters, ComponentRegistry? kinds = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var kind = (Kind<IDictionary>)(kinds ?? new ComponentRegistry()).Find(Slots.Dictionary, Kind, Package, "$", InterpKinds.All);
        var options = OptionsJson.Read(Options, kind.OptionsType, "$.options");
        try
        {
            return kind.Create(options, new DictionarySite(parameters));
        }
        catch (Exception error) when (BuildFault.IsOfOptions(error))
        {
            throw BuildFault.Of(kind, "$.options", error);
        }
    }

    /// <summary>The configuration as JSON: fixed order, defaults written out.</summary>
    public string ToJson() => new JsonObject
    {
        ["kind"] = Kind,
        ["package"] = Package,
        ["hook_name"] = HookName,
        ["model_name"] = ModelName,
        ["options"] = Options.DeepClone(),
    }.ToJsonString(_layout) + "\n";

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

    private static DictionaryConfig Of(JsonObject root)
    {
        if (root.Select(member => member.Key).Except(_members).FirstOrDefault() is { } unknown)
            throw new ConfigurationException($"$.{unknown}", $"unknown; the members are {string.Join(", ", _members)}.");
        return new(
            Text(root, "kind") ?? throw new ConfigurationException("$.kind", "missing."),
            Text(root, "package") ?? throw new ConfigurationException("$.package", "missing."),
            root["options"] is JsonObject options ? (JsonObject)options.DeepClone() : throw new ConfigurationException("$.options", "missing or no object."),
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
