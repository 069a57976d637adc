using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>A value whose whole meaning is a JSON text.</summary>
/// <typeparam name="TSelf">The value's own type.</typeparam>
internal interface IJsonText<TSelf>
    where TSelf : IJsonText<TSelf>
{
    /// <summary>The text.</summary>
    string ToJson();

    /// <summary>Reads the text.</summary>
    /// <exception cref="ConfigurationException">It is not such a text; names the place.</exception>
    static abstract TSelf FromJson(string json);
}

/// <summary>Shows such a value to System.Text.Json as its text says.</summary>
internal sealed class JsonTextConverter<T> : JsonConverter<T>
    where T : IJsonText<T>
{
    /// <inheritdoc/>
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        try
        {
            using var document = JsonDocument.ParseValue(ref reader);
            return T.FromJson(document.RootElement.GetRawText());
        }
        catch (ConfigurationException error)
        {
            throw new JsonException(error.Message, error);
        }
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => JsonNode.Parse(value.ToJson())!.WriteTo(writer, options);
}

/// <summary>Shows such a value to whatever asks for a text, as Newtonsoft's serializer does.</summary>
internal sealed class JsonTextTypeConverter<T> : TypeConverter
    where T : IJsonText<T>
{
    /// <inheritdoc/>
    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string) || base.CanConvertFrom(context, sourceType);

    /// <inheritdoc/>
    public override object? ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value) =>
        value is string text ? T.FromJson(text) : base.ConvertFrom(context, culture, value);

    /// <inheritdoc/>
    public override object? ConvertTo(ITypeDescriptorContext? context, CultureInfo? culture, object? value, Type destinationType) =>
        value is T known && destinationType == typeof(string) ? known.ToJson() : base.ConvertTo(context, culture, value, destinationType);
}
