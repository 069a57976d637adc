using System.Text.Json;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>What the values of a template are and where they come from.</summary>
/// <remarks>Values are null, bool, long, double, <see cref="MarkedText"/>, lists, mappings, namespaces, loops, macros and nothing else of
/// .NET, so a template can reach no object that it was not given.</remarks>
internal static class TemplateValues
{
    /// <summary>The value of a JSON node, all of it from outside the template.</summary>
    internal static object? From(JsonNode? node, string name, ref long characters)
    {
        try
        {
            return From(node, 0, ref characters);
        }
        catch (Exception error) when (error is TemplateException or InvalidOperationException or ArgumentException or FormatException or JsonException or InsufficientExecutionStackException)
        {
            throw new TemplateException($"'{name}' is not JSON that a template can take: {error.Message}", error);
        }
    }

    /// <summary>The messages. The usual roles are the caller's own words, so a template may build special tokens of them.</summary>
    internal static object? Messages(JsonArray messages, string[] roles, ref long characters)
    {
        var all = (TemplateList)From(messages, "messages", ref characters)!;
        foreach (var message in all.Items.OfType<TemplateDictionary>())
        {
            if (message.TryGet("role", out var role) && role is MarkedText text && roles.Contains(text.Text))
                message.Set(MarkedText.Of("role", false), MarkedText.Trusted(text.Text), new TemplateBudget(0));
        }
        return all;
    }

    internal static bool IsTrue(object? value) => value switch
    {
        null or TemplateUndefined => false,
        bool flag => flag,
        long whole => whole != 0,
        double number => number != 0,
        MarkedText text => text.Length > 0,
        TemplateList list => list.Kind == TemplateListKind.Lazy || list.Count > 0,
        TemplateDictionary members => members.Count > 0,
        _ => true,
    };

    internal static string Kind(object? value) => value switch
    {
        null => "none",
        TemplateUndefined undefined => $"'{undefined.Name}' (undefined)",
        bool => "a boolean",
        long or double => "a number",
        MarkedText => "a text",
        TemplateList { Kind: TemplateListKind.Tuple or TemplateListKind.Group } => "a tuple",
        TemplateList { Kind: TemplateListKind.List } => "a list",
        TemplateList { Kind: TemplateListKind.Range } => "a range",
        TemplateList { Kind: TemplateListKind.Lazy } => "what a filter gives one by one (put '| list' behind it)",
        TemplateList => "a view of a mapping",
        TemplateDictionary => "a mapping",
        TemplateNamespace => "a namespace",
        TemplateLoop => "a loop",
        _ => "a macro",
    };

    /// <summary>What a loop over the value goes through.</summary>
    internal static IReadOnlyList<object?> Items(object? value, TemplateBudget budget)
    {
        switch (value)
        {
            case TemplateList list:
                return list.Items;
            case MarkedText text:
                var count = text.Count(budget);
                budget.Items(count, 48);
                var letters = new object?[count];
                for (var index = 0; index < count; index++)
                    letters[index] = text.Characters(index, index + 1, budget);
                return letters;
            case TemplateDictionary members:
                budget.Items(members.Count);
                return [.. members.Entries.Select(entry => entry.Key)];
            case TemplateUndefined:
                return [];
            default:
                throw new TemplateException($"{Kind(value)} cannot be gone through.");
        }
    }

    /// <summary>How many items or characters a value has.</summary>
    internal static long Length(object? value, TemplateBudget budget) => value switch
    {
        MarkedText text => text.Count(budget),
        TemplateList { Kind: not TemplateListKind.Lazy } list => list.Count,
        TemplateDictionary members => members.Count,
        TemplateUndefined => 0,
        _ => throw new TemplateException($"{Kind(value)} has no length."),
    };

    private static object? From(JsonNode? node, int level, ref long characters)
    {
        if (level > TemplateBudget.DeepestValue)
            throw new TemplateException($"a variable is nested deeper than {TemplateBudget.DeepestValue}.");
        characters++;
        switch (node)
        {
            case null:
                return null;
            case JsonArray array:
                var items = new object?[array.Count];
                for (var index = 0; index < items.Length; index++)
                    items[index] = From(array[index], level + 1, ref characters);
                return new TemplateList(items);
            case JsonObject members:
                var made = new TemplateDictionary();
                foreach (var (key, value) in members)
                {
                    characters += key.Length;
                    made.Add(key, From(value, level + 1, ref characters));
                }
                return made;
            default:
                return Scalar((JsonValue)node, ref characters);
        }
    }

    private static object? Scalar(JsonValue value, ref long characters)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.String:
                var text = value.TryGetValue<string>(out var plain) ? plain : JsonSerializer.Deserialize<string>(value.ToJsonString())!;
                characters += text.Length;
                return MarkedText.Of(text, false);
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            case JsonValueKind.Null:
                return null;
            default:
                var digits = value.ToJsonString();
                characters += digits.Length;
                if (digits.AsSpan().ContainsAny(".eE"))
                    return TemplateNumbers.TryFloat(digits, out var number) ? number : throw new FormatException($"{digits} is no number.");
                return TemplateNumbers.TryWhole(digits, 10) ?? throw new FormatException($"{digits} is no number.");
        }
    }
}
