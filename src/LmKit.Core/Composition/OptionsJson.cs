using System.ComponentModel.DataAnnotations;
using System.Globalization;
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
        WriteIndented = true,
        NewLine = "\n",
        NumberHandling = JsonNumberHandling.Strict,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Writes every property of an options object, defaults included.</summary>
    /// <exception cref="ConfigurationException">A property is not finite.</exception>
    public static JsonObject Write(object options)
    {
        foreach (var property in options.GetType().GetProperties())
        {
            if (property.GetIndexParameters().Length == 0 && property.GetValue(options) is double value && !double.IsFinite(value))
            {
                throw new ConfigurationException(
                    JsonName(property),
                    $"{options.GetType().Name}.{property.Name} = {value.ToString(CultureInfo.InvariantCulture)}: a finite number is needed.");
            }
        }
        return JsonSerializer.SerializeToNode(options, options.GetType(), Settings)!.AsObject();
    }

    /// <summary>Reads and validates options of <paramref name="type"/>.</summary>
    /// <param name="node">The JSON object.</param>
    /// <param name="type">The options' type, with a parameterless constructor.</param>
    /// <param name="path">Where the object stands, for errors, as in <c>$.layers[0].options</c>.</param>
    /// <exception cref="ConfigurationException">A member is unknown, missing its type, or out of its range.</exception>
    public static object Read(JsonNode node, Type type, string path)
    {
        object options;
        try
        {
            options = node.Deserialize(type, Settings)!;
        }
        catch (JsonException error)
        {
            var value = error.Path is { Length: > 2 } place && node is JsonObject members && members[place[2..]] is { } member ? $"{member.ToJsonString()}: " : string.Empty;
            throw new ConfigurationException(Join(path, error.Path), value + error.Message, error);
        }
        Validate(options, path);
        return options;
    }

    /// <summary>Checks the data-annotation attributes of every property, and that choices are among those there are.</summary>
    /// <param name="options">The options.</param>
    /// <param name="path">Where the options stand, for errors, as in <c>$.training</c>.</param>
    /// <exception cref="ConfigurationException">A value is out of its range.</exception>
    public static void Validate(object options, string path)
    {
        foreach (var choice in options.GetType().GetProperties().Where(property => property.GetIndexParameters().Length == 0 && property.GetValue(options) is Enum))
        {
            var chosen = choice.GetValue(options)!;
            if (!chosen.GetType().IsDefined(typeof(FlagsAttribute), false) && !Enum.IsDefined(chosen.GetType(), chosen))
                throw new ConfigurationException($"{path}.{JsonName(choice)}", $"{options.GetType().Name}.{choice.Name} = {chosen}: it is one of {string.Join(", ", Enum.GetNames(chosen.GetType()))}.");
        }
        var faults = new List<ValidationResult>();
        if (Validator.TryValidateObject(options, new ValidationContext(options), faults, validateAllProperties: true))
            return;
        var fault = faults[0];
        var member = fault.MemberNames.FirstOrDefault();
        if (member is null)
            throw new ConfigurationException(path, $"{options.GetType().Name}: {fault.ErrorMessage}");
        var property = options.GetType().GetProperty(member)!;
        var value = Convert.ToString(property.GetValue(options), CultureInfo.InvariantCulture);
        throw new ConfigurationException(
            $"{path}.{JsonName(property)}",
            $"{options.GetType().Name}.{member} = {value}: {fault.ErrorMessage}");
    }

    private static string JsonName(System.Reflection.PropertyInfo property) =>
        property.GetCustomAttributes(typeof(JsonPropertyNameAttribute), false) is [JsonPropertyNameAttribute named]
            ? named.Name
            : JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);

    private static string Join(string path, string? inner) => inner is null or "$" ? path : path + inner[1..];
}
