using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>A chat as a template wrote it.</summary>
/// <param name="Runs">Its characters by origin.</param>
/// <param name="Generated">The character ranges that the assistant generates, where the template marks them.</param>
public sealed record RenderedChat(IReadOnlyList<ChatTextRun> Runs, IReadOnlyList<Range> Generated)
{
    /// <summary>The whole text.</summary>
    public string Text => string.Concat(Runs.Select(run => run.Text));
}

/// <summary>Characters of a rendered chat that have one origin.</summary>
/// <param name="Text">The characters.</param>
/// <param name="IsTemplate">Whether the template wrote them; only then may they become special tokens.</param>
public sealed record ChatTextRun(string Text, bool IsTemplate);

/// <summary>What a chat template is given beside the messages.</summary>
public sealed class ChatRenderOptions
{
    /// <summary>Whether the assistant's turn is opened at the end.</summary>
    public bool AddGenerationPrompt { get; set; }

    /// <summary>The text of the token that begins a text; empty for none.</summary>
    public string BosToken { get; set; } = "";

    /// <summary>The text of the token that ends a text.</summary>
    public string EosToken { get; set; } = "";

    /// <summary>Tools as the template expects them, or null.</summary>
    public JsonNode? Tools { get; set; }

    /// <summary>Further variables.</summary>
    public IReadOnlyDictionary<string, JsonNode?> Extras { get; set; } = new Dictionary<string, JsonNode?>();

    /// <summary>Texts of further special tokens by the names of variables, such as <c>pad_token</c>.</summary>
    internal IReadOnlyDictionary<string, string> RoleTexts { get; init; } = new Dictionary<string, string>();

    /// <summary>What the template takes for the present time; the system's clock by default.</summary>
    public Func<DateTimeOffset> Clock { get; set; } = () => DateTimeOffset.Now;
}
