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
    internal static JsonArray Of(IReadOnlyList<ChatMessage> messages)
    {
        var written = new JsonArray();
        var names = new Dictionary<string, string>(StringComparer.Ordinal); // of the functions called, by the call's id
        foreach (var (index, message) in messages.Index())
        {
            foreach (var part in Of(message ?? throw new TemplateException($"Message {index} is null."), index, names))
                written.Add(part);
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

    /// <summary>Refuses a text in which something that a message says is missing: its text, its calls or a result.</summary>
    /// <remarks>Reasoning may be missing where the template knows of it: published ones leave that of earlier turns out on purpose.</remarks>
    /// <param name="chat">The text.</param>
    /// <param name="written">What the template was given.</param>
    /// <param name="render">Renders other messages alike.</param>
    /// <param name="source">The template.</param>
    /// <exception cref="TemplateException">Something is missing; says which message.</exception>
    internal static void CheckWhole(RenderedChat chat, JsonArray written, string source, Func<JsonArray, RenderedChat> render)
    {
        // Usually each content stands in the text as a run of its own; only what does not is looked for by leaving it out.
        var runs = new Queue<string>(chat.Runs.Where(run => !run.IsTemplate).Select(run => run.Text.Trim()));
        for (var index = 0; index < written.Count; index++)
        {
            var message = written[index]!.AsObject();
            var said = ((string)message[Content]!).Trim();
            if (said.Length > 0 && !Skip(runs, said) && IsUnchanged(index, other => other[Content] = ""))
                throw Missing(index, "what it says");
            if (message.ContainsKey(Calls) && IsUnchanged(index, other => other.Remove(Calls)))
                throw Missing(index, "its tool calls");
            if (message.ContainsKey(Reasoning) && !source.Contains(Reasoning, StringComparison.Ordinal))
                throw Missing(index, "its reasoning (TextReasoningContent)");
        }

        bool IsUnchanged(int index, Action<JsonObject> change)
        {
            var others = written.DeepClone().AsArray();
            change(others[index]!.AsObject());
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

    // Takes runs from the queue up to and including one of this text, if there is one.
    private static bool Skip(Queue<string> runs, string text)
    {
        if (!runs.Contains(text))
            return false;
        while (runs.Dequeue() != text)
        {
        }
        return true;
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
