using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>How options become JSON and come back: snake case, defaults written out, unknown members refused, values validated.</summary>
internal static class OptionsJson
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

    internal static JsonObject Write(object options)
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

    internal static object Read(JsonNode node, Type type, string path)
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

    internal static void Validate(object options, string path)
    {
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
