using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Configuration;

namespace LmKit;

/// <summary>Options in a section of an app's configuration, by the names of their properties, as the JSON that configurations hold.</summary>
/// <remarks>Stricter than a binder: an unknown key, an entry of a list that is not a value of its type, and a key with both a value and keys below
/// it are errors, and each names the key with its whole path.</remarks>
internal static class SectionOptions
{
    /// <summary>The members of an options object that a section states.</summary>
    /// <param name="section">The section.</param>
    /// <param name="type">The options' type.</param>
    /// <param name="others">Further keys that may stand there.</param>
    internal static JsonObject Read(IConfiguration section, Type type, IReadOnlyList<string> others)
    {
        CheckNoValue(section, $"keys of {type.Name}");
        var properties = type.GetProperties().Where(property => property.CanWrite && property.GetIndexParameters().Length == 0).ToList();
        CheckKeys(section, [.. properties.Select(property => property.Name), .. others], type.Name);
        var options = new JsonObject();
        foreach (var property in properties)
        {
            if (section.GetChildren().FirstOrDefault(child => Is(child, property.Name)) is { } child)
                options[OptionsJson.JsonName(property)] = Convert(child, property.PropertyType);
        }
        return options;
    }

    /// <summary>Refuses keys that nothing asks for.</summary>
    internal static void CheckKeys(IConfiguration section, IReadOnlyCollection<string> known, string owner)
    {
        if (section.GetChildren().FirstOrDefault(child => !known.Any(name => Is(child, name))) is { } unknown)
            throw new ConfigurationException(unknown.Path, $"unknown key; {owner} has {(known.Count == 0 ? "none" : string.Join(", ", known))}.");
    }

    /// <summary>The entries of a list, in their order.</summary>
    internal static IEnumerable<IConfigurationSection> Items(IConfigurationSection list)
    {
        CheckNoValue(list, "a list");
        var items = list.GetChildren().ToList();
        return items.Find(item => !int.TryParse(item.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _)) is { } other
            ? throw new ConfigurationException(other.Path, $"'{other.Key}' is not the number of an entry, and {list.Path} is a list.")
            : items.OrderBy(item => int.Parse(item.Key, CultureInfo.InvariantCulture));
    }

    /// <summary>A section's value as JSON of a type; null where it has none.</summary>
    internal static JsonNode? Convert(IConfigurationSection section, Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (section.Value is null && !section.GetChildren().Any())
            return null;
        if (Element(type) is { } element)
            return new JsonArray([.. Items(section).Select(item => Convert(item, element) ?? throw new ConfigurationException(item.Path, "null stands where an entry belongs."))]);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>))
            return new JsonObject(section.GetChildren().Select(child => KeyValuePair.Create(child.Key, Convert(child, type.GetGenericArguments()[1]))));
        if (!type.IsPrimitive && !type.IsEnum && type != typeof(string))
            return type.IsDefined(typeof(JsonPolymorphicAttribute), false) ? Choice(section, type) : Read(section, type, []);
        if (section.GetChildren().FirstOrDefault() is { } below)
            throw new ConfigurationException(below.Path, $"unknown key; {section.Path} has one value.");
        return Scalar(section.Value!, type) ?? throw new ConfigurationException(section.Path, $"'{StrictJson.Shown(section.Value!)}' is not {Wanted(type)}.");
    }

    // One of several types, which a key tells apart.
    private static JsonObject Choice(IConfigurationSection section, Type type)
    {
        CheckNoValue(section, "keys");
        var member = type.GetCustomAttribute<JsonPolymorphicAttribute>(false)!.TypeDiscriminatorPropertyName!;
        var key = string.Concat(member.Split('_').Select(part => char.ToUpperInvariant(part[0]) + part[1..])); // rope_type is RopeType
        var choices = type.GetCustomAttributes<JsonDerivedTypeAttribute>(false).ToDictionary(choice => (string)choice.TypeDiscriminator!, choice => choice.DerivedType);
        var name = section[key];
        if (name is null || !choices.TryGetValue(name, out var chosen))
            throw new ConfigurationException($"{section.Path}:{key}", $"{(name is null ? "is missing; it" : $"'{StrictJson.Shown(name)}'")} is {(name is null ? "" : "not ")}one of {string.Join(", ", choices.Keys)}.");
        var options = new JsonObject { [member] = name };
        foreach (var (inner, value) in Read(section, chosen, [key]).ToList())
            options[inner] = value?.DeepClone();
        return options;
    }

    private static JsonValue? Scalar(string text, Type type)
    {
        const NumberStyles Style = NumberStyles.Float; // no groups: 0,8 is not 8
        if (type == typeof(string))
            return JsonValue.Create(text);
        if (type == typeof(bool))
            return bool.TryParse(text, out var truth) ? JsonValue.Create(truth) : null;
        if (type.IsEnum)
            return Enum.GetNames(type).FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } named ? JsonValue.Create(JsonNamingPolicy.SnakeCaseLower.ConvertName(named)) : null;
        if (type == typeof(double) || type == typeof(float))
            return double.TryParse(text, Style, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? JsonValue.Create(number) : null;
        return type == typeof(ulong)
            ? ulong.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var natural) ? JsonValue.Create(natural) : null
            : long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var whole) && (type != typeof(int) || whole == (int)whole) ? JsonValue.Create(whole) : null;
    }

    private static string Wanted(Type type) =>
        type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(type))}"
        : type == typeof(bool) ? "true or false"
        : type == typeof(double) || type == typeof(float) ? "a finite number, written with a point"
        : $"a whole number of {type.Name}";

    private static Type? Element(Type type) =>
        type == typeof(string) ? null
        : type.IsArray ? type.GetElementType()
        : type.IsGenericType && type.GetGenericArguments() is [var element] && type.IsAssignableFrom(element.MakeArrayType()) ? element
        : type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>) ? type.GetGenericArguments()[0] : null;

    private static void CheckNoValue(IConfiguration section, string wanted)
    {
        if (section is IConfigurationSection { Value: { Length: > 0 } value } own)
            throw new ConfigurationException(own.Path, $"'{StrictJson.Shown(value)}' stands where {wanted} belong{(wanted.StartsWith('a') ? "s" : "")}.");
    }

    private static bool Is(IConfigurationSection child, string name) => child.Key.Equals(name, StringComparison.OrdinalIgnoreCase);
}
