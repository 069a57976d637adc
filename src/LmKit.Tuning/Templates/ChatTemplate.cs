using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>A chat template: messages to the text that a model was trained on.</summary>
/// <remarks>
/// <para>Templates are a sandboxed subset of Jinja with trim_blocks and lstrip_blocks, as <c>tokenizer_config.json</c> holds them. They
/// see the values they are given and nothing else, and run within 1,000,000 steps, 16 Mi characters and a nesting of 100.</para>
/// <para>Every character of the result knows whether the template or a message brought it, so that a message can never become a
/// special token. Immutable, for any number of threads.</para>
/// </remarks>
public sealed class ChatTemplate
{
    private const int LongestSource = 1 << 20;
    private static readonly string[] Roles = ["system", "user", "assistant", "tool"];

    private readonly IReadOnlyList<TemplateNode> nodes;

    private ChatTemplate(string source)
    {
        Source = source;
        nodes = TemplateParser.Parse(source);
    }

    /// <summary>The template's text.</summary>
    public string Source { get; }

    /// <summary>Whether it marks what the assistant generates.</summary>
    public bool MarksGeneration => Source.Contains("endgeneration", StringComparison.Ordinal);

    /// <summary>Reads a template.</summary>
    /// <exception cref="TemplateException">It is malformed or uses what is not supported; names the line.</exception>
    public static ChatTemplate Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source.Length <= LongestSource ? new ChatTemplate(source) : throw new TemplateException($"The template has {source.Length} characters; {LongestSource} are allowed.");
    }

    /// <summary>A template that comes with LmKit: chatml, llama-2, llama-3, mistral, zephyr, alpaca, vicuna or plain.</summary>
    /// <exception cref="TemplateException">There is none of that name.</exception>
    public static ChatTemplate Named(string name) => BuiltInTemplates.Sources.TryGetValue(name, out var source)
        ? new ChatTemplate(source)
        : throw new TemplateException($"There is no template '{name}'; there are {string.Join(", ", BuiltInTemplates.Sources.Keys)}.");

    /// <summary>Reads the template of a <c>tokenizer_config.json</c>, or of a <c>chat_template.jinja</c> beside it.</summary>
    /// <param name="path">The JSON file.</param>
    /// <param name="name">Which of several, <c>default</c> by default.</param>
    /// <exception cref="TemplateException">There is none, or it cannot be read.</exception>
    public static ChatTemplate FromTokenizerConfig(string path, string name = "default")
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var beside = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, "chat_template.jinja");
        try
        {
            var template = File.Exists(path) ? JsonNode.Parse(File.ReadAllText(path))?["chat_template"] : null;
            return template switch
            {
                JsonArray several => Parse((string?)several.FirstOrDefault(one => (string?)one?["name"] == name)?["template"] ?? throw new TemplateException($"{path} has no template '{name}'.")),
                not null => Parse((string)template!),
                null when File.Exists(beside) => Parse(File.ReadAllText(beside)),
                null => throw new TemplateException($"{path} has no chat_template; take a named one."),
            };
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new TemplateException($"{path} is not the JSON it should be: {error.Message}", error);
        }
    }

    /// <summary>Renders messages, tool calls and their results among them.</summary>
    /// <exception cref="TemplateException">The template refuses them, leaves something of them out, or exceeds its limits.</exception>
    public RenderedChat Render(IEnumerable<ChatMessage> messages, ChatRenderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var written = TemplateMessages.Of([.. messages]);
        var chat = Render(written, options);
        TemplateMessages.CheckWhole(chat, written, others => Render(others, options));
        return chat;
    }

    /// <summary>Renders messages that have more than a role and a text, such as tool calls.</summary>
    /// <inheritdoc cref="Render(IEnumerable{ChatMessage}, ChatRenderOptions)"/>
    public RenderedChat Render(JsonArray messages, ChatRenderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        options ??= new ChatRenderOptions();
        var variables = options.Extras.ToDictionary(pair => pair.Key, pair => TemplateValues.From(pair.Value), StringComparer.Ordinal);
        variables["messages"] = messages.Select(Message).ToList();
        variables["bos_token"] = MarkedText.Trusted(options.BosToken);
        variables["eos_token"] = MarkedText.Trusted(options.EosToken);
        variables["add_generation_prompt"] = options.AddGenerationPrompt;
        if (options.Tools is not null)
            variables["tools"] = TemplateValues.From(options.Tools);
        var renderer = new TemplateRenderer(options.Clock);
        var text = renderer.Render(nodes, variables);
        return new RenderedChat([.. text.Runs()], [.. renderer.Generated.Select(span => span.Start..span.End)]);
    }

    // The four usual roles are the caller's own words, so a template may build special tokens of them.
    private static object? Message(JsonNode? message)
    {
        var value = TemplateValues.From(message);
        if (value is Dictionary<string, object?> members && members.TryGetValue("role", out var role) && role is MarkedText text && Roles.Contains(text.Text))
            members["role"] = MarkedText.Trusted(text.Text);
        return value;
    }
}
