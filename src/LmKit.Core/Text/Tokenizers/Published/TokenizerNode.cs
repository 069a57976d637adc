using System.Text.Json;

namespace LmKit;

/// <summary>A part of a tokenizer's JSON file, with the keys that lead to it.</summary>
internal readonly struct TokenizerNode(string file, string key, JsonElement element)
{
    internal JsonElement Element { get; } = element;

    internal bool IsNull => Element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    /// <summary>The kind of a component.</summary>
    internal string Type => Text("type");

    /// <summary>An error that names the file and the key.</summary>
    internal TokenizerException Fault(string what, Exception? cause = null) => new(file, $"{key} {what}", cause);

    /// <summary>An error for an unknown kind of component.</summary>
    internal TokenizerException Unknown(string kind, params ReadOnlySpan<string> known) =>
        Fault($"has the {kind} '{Type}', which is unknown; known are {string.Join(", ", known.ToArray())}.");

    /// <summary>The value of a key; null where it is absent.</summary>
    internal TokenizerNode this[string name] => new(file, key.Length == 0 ? name : $"{key}.{name}", Object().TryGetProperty(name, out var value) ? value : default);

    internal IEnumerable<TokenizerNode> List(string name)
    {
        var node = this[name];
        return node.Element.ValueKind == JsonValueKind.Array ? node.Items() : throw node.Fault("must be a list.");
    }

    /// <summary>The items of a list.</summary>
    internal IEnumerable<TokenizerNode> Items()
    {
        var (path, at) = (file, key);
        return Element.EnumerateArray().Select((item, index) => new TokenizerNode(path, $"{at}[{index}]", item));
    }

    /// <summary>The keys of an object and their values.</summary>
    internal IEnumerable<(string Name, TokenizerNode Value)> Entries()
    {
        var (path, at) = (file, key);
        return Object().EnumerateObject().Select(entry => (entry.Name, new TokenizerNode(path, at.Length == 0 ? entry.Name : $"{at}.{entry.Name}", entry.Value)));
    }

    internal string Text(string name) => TextOr(name) ?? throw this[name].Fault("must be a text.");

    /// <summary>A text; null where it is absent.</summary>
    internal string? TextOr(string name)
    {
        var node = this[name];
        return node.IsNull ? null : node.AsText();
    }

    internal string AsText() => Element.ValueKind == JsonValueKind.String ? Element.GetString()! : throw Fault("must be a text.");

    internal bool Flag(string name, bool otherwise)
    {
        var node = this[name];
        return node.IsNull ? otherwise : node.Element.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw node.Fault("must be true or false."),
        };
    }

    internal int? Whole(string name)
    {
        var node = this[name];
        return node.IsNull ? null : node.AsWhole();
    }

    internal int AsWhole() => Element.ValueKind == JsonValueKind.Number && Element.TryGetInt32(out var value) ? value : throw Fault("must be a whole number.");

    private JsonElement Object() => Element.ValueKind == JsonValueKind.Object ? Element : throw Fault("must be an object.");
}
