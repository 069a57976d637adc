using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Messages in the form in which published templates expect them, and whether a template wrote all of them.</summary>
internal static class TemplateMessages
{
    private const string Role = "role";
    private const string Content = "content";
    private const string Calls = "tool_calls";
    private const string Reasoning = "reasoning_content";
    private static readonly JsonSerializerOptions Compact = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    /// <summary>One object a message; each result of a tool is a message of its own.</summary>
    /// <exception cref="TemplateException">A message holds what no template has a place for; says which.</exception>
    internal static JsonArray Of(IReadOnlyList<ChatMessage> messages, string source = "")
    {
        var written = new JsonArray();
        var names = new Dictionary<string, string>(StringComparer.Ordinal); // of the functions called, by the call's id
        foreach (var (index, message) in messages.Index())
        {
            foreach (var part in Of(message ?? throw new TemplateException($"Message {index} is null."), index, names))
            {
                // As published code gives it to templates that tell a message of calls alone by its content.
                if (part.ContainsKey(Calls) && (string)part[Content]! == "" && source.Contains("content'] is none", StringComparison.Ordinal))
                    part[Content] = null;
                written.Add(part);
            }
        }
        return written;
    }

    /// <summary>Tools in the form that templates expect.</summary>
    /// <exception cref="NotSupportedException">A tool is not a function; names it.</exception>
    internal static JsonArray Of(IReadOnlyList<AITool> tools) => new([.. tools.Select(tool => tool is AIFunctionDeclaration function
        ? new JsonObject
        {
            ["type"] = "function",
            ["function"] = new JsonObject
            {
                ["name"] = function.Name,
                ["description"] = function.Description,
                ["parameters"] = JsonNode.Parse(function.JsonSchema.GetRawText()),
            },
        }
        : throw new NotSupportedException($"The tool '{tool?.Name}' is a {tool?.GetType().Name ?? "null"}, not a function; a chat template has no place for it."))]);

    /// <summary>Refuses a text that says nothing of the functions that were called, or lacks what they gave or what the user said.</summary>
    /// <remarks>The rest is the template's to decide: published ones move or leave out system messages, words beside a call and the reasoning
    /// of earlier turns on purpose; a template without any place for a system message may not lose one. At most two further renderings of it, however long the conversation.</remarks>
    /// <param name="chat">The text.</param>
    /// <param name="written">What the template was given.</param>
    /// <param name="render">Renders other messages alike.</param>
    /// <exception cref="TemplateException">Calls or results are missing; says which message.</exception>
    internal static void CheckWhole(RenderedChat chat, JsonArray written, Func<JsonArray, RenderedChat> render)
    {
        int[] calls = [.. Enumerable.Range(0, written.Count).Where(index => written[index]!.AsObject().ContainsKey(Calls))];
        if (calls.Length > 0 && IsUnchanged(calls, message => message.Remove(Calls)))
            throw Missing(calls[0], "its tool calls");
        // Words usually stand in the text as they are; those that a template writes in another form are found by leaving them out.
        int[] words = [.. Enumerable.Range(0, written.Count).Where(index => IsWanted((string)written[index]![Role]!) && (string?)written[index]![Content] is { } said && said.Trim().Length > 0 && !chat.Text.Contains(said.Trim(), StringComparison.Ordinal))];
        if (words.Length > 0 && IsUnchanged(words, message => message[Content] = ""))
            throw Missing(words[0], "what it says");

        // Some templates write a system message only before the user's last words: it must have a place in a conversation of these two.
        for (var index = 0; index < written.Count; index++)
        {
            if ((string)written[index]![Role]! == "system" && (string?)written[index]![Content] is { } told && told.Trim().Length > 0 && !chat.Text.Contains(told.Trim(), StringComparison.Ordinal) && IsUnwritten(told))
                throw Missing(index, "what it says");
        }

        static bool IsWanted(string role) => role is "tool" or "user";

        bool IsUnwritten(string told)
        {
            JsonArray Two(string system) => [new JsonObject { [Role] = "system", [Content] = system }, new JsonObject { [Role] = "user", [Content] = "a" }];
            try
            {
                return render(Two(told)).Text == render(Two("")).Text;
            }
            catch (TemplateException)
            {
                return false;
            }
        }

        bool IsUnchanged(int[] places, Action<JsonObject> change)
        {
            var others = written.DeepClone().AsArray();
            foreach (var place in places)
                change(others[place]!.AsObject());
            try
            {
                return render(others).Text == chat.Text;
            }
            catch (TemplateException)
            {
                return false; // it was missed
            }
        }

        TemplateException Missing(int index, string what) =>
            new($"the template writes message {index} ({written[index]![Role]}) without {what}; leave that out, or take a template that has a place for it.");
    }

    private static IEnumerable<JsonObject> Of(ChatMessage message, int index, Dictionary<string, string> names)
    {
        var (text, reasoning) = ("", "");
        var (calls, results) = (new JsonArray(), new List<JsonObject>());
        foreach (var content in message.Contents)
        {
            switch (content)
            {
                case TextContent said:
                    text += said.Text;
                    break;
                case TextReasoningContent thought:
                    reasoning += thought.Text;
                    break;
                case FunctionCallContent call:
                    names[call.CallId] = call.Name;
                    calls.Add(Of(call));
                    break;
                case FunctionResultContent result:
                    results.Add(Of(result, names.GetValueOrDefault(result.CallId)));
                    break;
                case UsageContent:
                    break; // counts of tokens, which nobody said
                default:
                    throw new TemplateException($"Message {index} ({message.Role}) holds {content?.GetType().Name ?? "null"}, which templates have no place for; send text, function calls and their results.");
            }
        }
        if (results.Count == 0 || text.Length > 0 || calls.Count > 0)
        {
            var whole = new JsonObject { [Role] = message.Role.Value, [Content] = text };
            if (message.AuthorName is { Length: > 0 } author)
                whole["name"] = author;
            if (reasoning.Length > 0)
                whole[Reasoning] = reasoning;
            if (calls.Count > 0)
                whole[Calls] = calls;
            yield return whole;
        }
        foreach (var result in results)
            yield return result;
    }

    private static JsonObject Of(FunctionCallContent call) => new()
    {
        ["id"] = call.CallId,
        ["type"] = "function",
        ["function"] = new JsonObject
        {
            ["name"] = call.Name,
            ["arguments"] = JsonSerializer.SerializeToNode(call.Arguments ?? new Dictionary<string, object?>(), Compact),
        },
    };

    private static JsonObject Of(FunctionResultContent result, string? name)
    {
        var message = new JsonObject
        {
            [Role] = "tool",
            ["tool_call_id"] = result.CallId,
            [Content] = result.Result switch
            {
                string text => text,
                JsonElement { ValueKind: JsonValueKind.String } text => text.GetString(),
                var other => JsonSerializer.Serialize(other, Compact),
            },
        };
        if (name is not null)
            message["name"] = name;
        return message;
    }
}
