using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>A chat template: messages to the text that a model was trained on.</summary>
/// <remarks>
/// <para>Templates are a sandboxed subset of Jinja with trim_blocks and lstrip_blocks, as <c>tokenizer_config.json</c> holds them. They
/// see the values they are given and nothing else, and everything they do is charged to one budget: 1,000,000 steps (a part of an
/// expression, a comparison, 16 copied items or 256 characters read are one each), 24 MiB of texts and lists made along the way, to
/// which each character of the messages adds 64 bytes, 8 Mi characters in one text and in the result, and 100 levels of nesting in the
/// template, in values and in macro calls.</para>
/// <para>Every character of the result knows whether the template or a message brought it, so that a message can never become a
/// special token. Immutable, for any number of threads.</para>
/// </remarks>
public sealed class ChatTemplate
{
    internal const string DefaultName = "default";

    private const int LongestSource = 1 << 20;
    private static readonly string[] Roles = ["system", "user", "assistant", "tool"];

    private readonly IReadOnlyList<TemplateNode> nodes;

    private ChatTemplate(string source)
    {
        if (source.Length > LongestSource)
            throw new TemplateException($"The template has {source.Length} characters; {LongestSource} are allowed.");
        Source = source;
        (nodes, MarksGeneration) = TemplateParser.Parse(source);
    }

    /// <summary>The template's text.</summary>
    public string Source { get; }

    /// <summary>Whether it marks what the assistant generates.</summary>
    public bool MarksGeneration { get; }

    /// <summary>The file that the template was read from, or null.</summary>
    internal string? File { get; init; }

    /// <summary>Reads a template.</summary>
    /// <exception cref="TemplateException">It is malformed or uses what is not supported; names the line.</exception>
    public static ChatTemplate Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new ChatTemplate(source);
    }

    /// <summary>A template that comes with LmKit: chatml, llama-2, llama-3, mistral, zephyr, alpaca, vicuna or plain.</summary>
    /// <exception cref="TemplateException">There is none of that name.</exception>
    public static ChatTemplate Named(string name) => BuiltInTemplates.Sources.TryGetValue(name, out var source)
        ? new ChatTemplate(source)
        : throw new TemplateException($"There is no template '{name}'; there are {string.Join(", ", BuiltInTemplates.Sources.Keys)}.");

    /// <summary>Whether a folder has a chat template, of any name; one of a base model has none.</summary>
    /// <exception cref="TemplateException">Its <c>tokenizer_config.json</c> cannot be read.</exception>
    public static bool IsIn(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return TemplateFiles.AnyIn(folder);
    }

    /// <summary>Reads the template of a model folder.</summary>
    /// <remarks><c>chat_template.jinja</c> beside the JSON file, and <c>additional_chat_templates/NAME.jinja</c> for other names, stand
    /// before what the JSON file holds; a folder that has one of them is not asked for more.</remarks>
    /// <param name="path">The folder's <c>tokenizer_config.json</c>, which need not be there if there is a file of its own.</param>
    /// <param name="name">Which of several, <c>default</c> by default.</param>
    /// <exception cref="TemplateException">There is none, or it cannot be read; names the file.</exception>
    public static ChatTemplate FromTokenizerConfig(string path, string name = "default")
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        var (source, file) = TemplateFiles.Read(path, name);
        try
        {
            return new ChatTemplate(source) { File = file };
        }
        catch (TemplateException error)
        {
            throw new TemplateException($"{file}: {error.Message}", error);
        }
    }

    /// <summary>Renders messages, tool calls and their results among them; what the template leaves out is left out.</summary>
    /// <exception cref="TemplateException">The template refuses them or exceeds its limits; names the line.</exception>
    public RenderedChat Render(IEnumerable<ChatMessage> messages, ChatRenderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Render(TemplateMessages.Of([.. messages], Source), options);
    }

    /// <summary>Renders messages that have more than a role and a text, such as tool calls.</summary>
    /// <inheritdoc cref="Render(IEnumerable{ChatMessage}, ChatRenderOptions)"/>
    public RenderedChat Render(JsonArray messages, ChatRenderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        options ??= new ChatRenderOptions();
        try
        {
            var given = 0L;
            var variables = new Dictionary<string, object?>(StringComparer.Ordinal);
            foreach (var (name, token) in options.RoleTexts)
                variables[name] = MarkedText.Trusted(token);
            foreach (var (name, value) in options.Extras)
                variables[name] = TemplateValues.From(value, name, ref given);
            variables["messages"] = TemplateValues.Messages(messages, Roles, ref given);
            variables["bos_token"] = MarkedText.Trusted(options.BosToken);
            variables["eos_token"] = MarkedText.Trusted(options.EosToken);
            variables["add_generation_prompt"] = options.AddGenerationPrompt;
            if (options.Tools is not null)
                variables["tools"] = TemplateValues.From(options.Tools, "tools", ref given);
            return new TemplateRenderer(options.Clock, new TemplateBudget(given)).Render(nodes, variables);
        }
        catch (TemplateException error) when (File is not null)
        {
            throw new TemplateException($"{File}: {error.Message}", error);
        }
    }
}

/// <summary>A chat template that cannot be read, or that refuses its messages.</summary>
/// <param name="message">What is wrong, with the place in the template where there is one.</param>
/// <param name="innerException">The cause, where there is one.</param>
public sealed class TemplateException(string message, Exception? innerException = null) : Exception(message, innerException);
