using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>How options become JSON and come back: snake case, defaults written out, unknown members refused, values validated.</summary>
/// <remarks>Ranges stand as data-annotation attributes on the options' properties. Every error is a <see cref="ConfigurationException"/>
/// that names the member's path, its value and what is allowed. All members are thread-safe.</remarks>
public static class OptionsJson
{
    internal static JsonSerializerOptions Settings { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        AllowOutOfOrderMetadataProperties = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        WriteIndented = true,
        NewLine = "\n",
        NumberHandling = JsonNumberHandling.Strict,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Writes every property of an options object, defaults included.</summary>
    /// <exception cref="ConfigurationException">A property has a value that JSON cannot hold: not finite, null, or of no name.</exception>
    public static JsonObject Write(object options)
    {
        ArgumentNullException.ThrowIfNull(options);
        foreach (var property in Properties(options))
        {
            if (OptionFault.OfValue(property, property.GetValue(options)) is { } fault)
                throw new ConfigurationException(JsonName(property), Describe(options, property, fault));
        }
        try
        {
            return JsonSerializer.SerializeToNode(options, options.GetType(), Settings)!.AsObject();
        }
        catch (Exception error) when (StrictJson.IsOfReading(error))
        {
            throw new ConfigurationException("$", $"{options.GetType().Name} cannot be written as JSON: {error.Message}", error);
        }
    }

    /// <summary>Reads and validates options of <paramref name="type"/>.</summary>
    /// <param name="node">The JSON object.</param>
    /// <param name="type">The options' type, with a parameterless constructor.</param>
    /// <param name="path">Where the object stands, for errors, as in <c>$.layers[0].options</c>.</param>
    /// <exception cref="ConfigurationException">A member is unknown, missing its type, or out of its range.</exception>
    public static object Read(JsonNode node, Type type, string path)
    {
        ArgumentNullException.ThrowIfNull(type);
        foreach (var property in Properties(type))
            CheckChoice(node, property, path);
        object? options;
        try
        {
            options = node.Deserialize(type, Settings);
        }
        catch (JsonException error)
        {
            throw new ConfigurationException(Join(path, error.Path), Value(node, error.Path) + error.Message, error);
        }
        catch (Exception error) when (StrictJson.IsOfReading(error))
        {
            throw new ConfigurationException(path, $"cannot be read: {error.Message}", error);
        }
        Validate(options!, path);
        return options!;
    }

    /// <summary>Checks every property: the data-annotation attributes, and that it is finite, of a defined name, and not null where null means nothing.</summary>
    /// <param name="options">The options.</param>
    /// <param name="path">Where the options stand, for errors, as in <c>$.training</c>.</param>
    /// <exception cref="ConfigurationException">A value is out of its range.</exception>
    public static void Validate(object options, string path)
    {
        if (options is null)
            throw new ConfigurationException(path, "null stands where options belong; leave it out for the defaults.");
        foreach (var property in Properties(options))
        {
            if (OptionFault.Of(options, property) is { } fault)
                throw new ConfigurationException($"{path}.{JsonName(property)}", Describe(options, property, fault));
            if (Nested(options, property) is { } nested)
                Validate(nested, $"{path}.{JsonName(property)}");
        }
        var faults = new List<ValidationResult>();
        if (!Validator.TryValidateObject(options, new ValidationContext(options), faults, validateAllProperties: false))
            throw new ConfigurationException(path, $"{options.GetType().Name}: {faults[0].ErrorMessage}");
    }

    // Options that stand in options: one of several types, which JSON tells apart by a member.
    private static object? Nested(object options, PropertyInfo property) =>
        property.PropertyType.IsDefined(typeof(JsonPolymorphicAttribute), false) ? property.GetValue(options) : null;

    // Fails for nested options that do not say which of the types they are.
    private static void CheckChoice(JsonNode node, PropertyInfo property, string path)
    {
        if (property.PropertyType.GetCustomAttribute<JsonPolymorphicAttribute>(false)?.TypeDiscriminatorPropertyName is not { } member
            || node is not JsonObject members || members[JsonName(property)] is not JsonObject nested)
        {
            return;
        }
        var choices = property.PropertyType.GetCustomAttributes<JsonDerivedTypeAttribute>(false).Select(choice => choice.TypeDiscriminator as string).ToList();
        var chosen = nested[member] is JsonValue value && value.TryGetValue<string>(out var name) ? name : null;
        if (!choices.Contains(chosen))
            throw new ConfigurationException($"{path}.{JsonName(property)}.{member}", $"{StrictJson.Shown(nested[member])} is not one of {string.Join(", ", choices)}.");
    }

    private static IEnumerable<PropertyInfo> Properties(object options) => Properties(options.GetType());

    private static IEnumerable<PropertyInfo> Properties(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanRead && property.GetIndexParameters().Length == 0);

    private static string Describe(object options, PropertyInfo property, string fault)
    {
        var value = property.GetValue(options);
        var shown = value is System.Collections.IEnumerable and not string ? "" : $" = {StrictJson.Shown(Convert.ToString(value ?? "null", CultureInfo.InvariantCulture)!)}";
        return $"{options.GetType().Name}.{property.Name}{shown}: {fault}";
    }

    private static string Value(JsonNode? node, string? place)
    {
        try
        {
            return place is { Length: > 2 } && node is JsonObject members && members[place[2..]] is { } member ? $"{StrictJson.Shown(member)}: " : "";
        }
        catch (Exception error) when (StrictJson.IsOfReading(error))
        {
            return ""; // an object that a caller parsed with a member twice
        }
    }

    internal static string JsonName(PropertyInfo property) =>
        property.GetCustomAttributes(typeof(JsonPropertyNameAttribute), false) is [JsonPropertyNameAttribute named]
            ? named.Name
            : JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);

    private static string Join(string path, string? inner) => inner is null or "$" ? path : path + inner[1..];
}
