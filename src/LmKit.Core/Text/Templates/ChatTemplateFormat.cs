using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>A chat template with a tokenizer: what a tuned model was trained on and is served with.</summary>
/// <remarks>Special tokens come from the template's own characters only; the same characters in a message are ordinary text. Function
/// calls, their results and tools are written where the template has a place for them. What it leaves out of a conversation is refused,
/// not dropped. A call that the model writes in its answer is text there; the caller reads it.</remarks>
public sealed partial class ChatTemplateFormat : IChatFormat
{
    private readonly ChatTemplate template;
    private readonly ModelTokenizer tokenizer;
    private readonly (string Text, int Id)[] special;
    private readonly string begin;
    private readonly string end;
    private readonly bool allowsSpecialTokens;

    /// <summary>Joins a template and a tokenizer.</summary>
    /// <param name="template">The template.</param>
    /// <param name="tokenizer">The tokenizer; it must not turn text into special tokens by itself.</param>
    /// <param name="specialTokens">Special tokens and their ids; null takes those that the tokenizer names. A published tokenizer has its own, with
    /// which given ones must agree.</param>
    /// <param name="beginToken">The special token that begins a text; empty for none, null for a published tokenizer's own.</param>
    /// <param name="endToken">The special token that ends a text; empty for none, null for a published tokenizer's own.</param>
    /// <param name="stopTokens">Ids that end an answer; null takes the end token, the tokenizer's end of text, and the special token that the template
    /// writes behind what the assistant says.</param>
    /// <param name="allowSpecialTokens">Whether special tokens in messages become their ids, for an app whose messages are its own; by default they are
    /// ordinary text.</param>
    public ChatTemplateFormat(
        ChatTemplate template,
        ModelTokenizer tokenizer,
        IReadOnlyDictionary<string, int>? specialTokens = null,
        string? beginToken = null,
        string? endToken = null,
        IReadOnlyList<long>? stopTokens = null,
        bool allowSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.template = template;
        this.tokenizer = tokenizer;
        var published = tokenizer.Tokenizer as JsonTokenizer;
        begin = beginToken ?? (published is not null && tokenizer.BeginOfTextId is { } first ? tokenizer.Decode([first], keepSpecialTokens: true) : "");
        end = endToken ?? (published is not null && tokenizer.EndOfTextId is { } last ? tokenizer.Decode([last], keepSpecialTokens: true) : "");
        if (published is not null && specialTokens is not null)
            CheckAgreement(specialTokens, published);
        special = [.. (specialTokens ?? tokenizer.SpecialTokens).Where(pair => pair.Key.Length > 0).OrderByDescending(pair => pair.Key.Length).Select(pair => (pair.Key, pair.Value))];
        SpecialTokens = special.DistinctBy(token => token.Id).ToDictionary(token => (long)token.Id, token => token.Text);
        allowsSpecialTokens = allowSpecialTokens;
        var ends = special.Where(token => token.Text == end).Select(token => (long)token.Id);
        StopTokens = stopTokens ?? [.. (tokenizer.EndOfTextId is { } id ? ends.Append(id) : ends).Concat(TurnEnds()).Distinct()];
    }

    /// <summary>Most tokens of an answer, where nobody asks for another number; null where the folder does not say it.</summary>
    internal int? MaxOutputTokens { get; private init; }

    /// <summary>Reads the tokenizer, the template, the stop tokens and the length of answers (<c>max_new_tokens</c>) of a folder: all that a chat with its model
    /// takes beside the weights.</summary>
    /// <remarks>An answer ends at the ids of <c>eos_token_id</c> in <c>generation_config.json</c> (or <c>config.json</c>), at the tokenizer's <c>eos_token</c>, and
    /// at the special token that the template writes behind what the assistant says. The template sees the tokenizer's special tokens under the names of
    /// <c>tokenizer_config.json</c>.</remarks>
    /// <param name="folder">The folder; see <see cref="TokenizerFiles.Load(string)"/> and <see cref="ChatTemplate.FromTokenizerConfig"/> for its files.</param>
    /// <param name="tokenizer">The tokenizer, where it was loaded before; null loads the folder's.</param>
    /// <param name="template">Which of the folder's templates.</param>
    /// <param name="allowSpecialTokens">Whether special tokens in messages become their ids; by default they are ordinary text.</param>
    /// <exception cref="TokenizerException">There is no tokenizer, or its files are malformed.</exception>
    /// <exception cref="TemplateException">There is no template of that name, or it cannot be read.</exception>
    /// <exception cref="ConfigurationException"><c>eos_token_id</c> is malformed.</exception>
    public static ChatTemplateFormat Load(string folder, ModelTokenizer? tokenizer = null, string template = "default", bool allowSpecialTokens = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return Load(folder, tokenizer ?? TokenizerFiles.Load(folder), template, allowSpecialTokens, null);
    }

    /// <summary>Reads the same for a model of some ids, among which its stop tokens must be.</summary>
    internal static ChatTemplateFormat Load(string folder, ModelTokenizer tokenizer, string template, bool allowSpecialTokens, long? vocabSize)
    {
        var settings = GenerationDefaults.Read(folder, vocabSize);
        var read = ChatTemplate.FromTokenizerConfig(Path.Combine(folder, PublishedTokenizer.ConfigFile), template);
        var format = new ChatTemplateFormat(read, tokenizer, allowSpecialTokens: allowSpecialTokens) { MaxOutputTokens = settings.MaxNewTokens };
        format.StopTokens = [.. format.StopTokens.Union(settings.StopTokens)];
        return format;
    }

    // Behind an answer a template may put no token, or refuse so short a conversation; then what else ends an answer must do.
    private IEnumerable<long> TurnEnds()
    {
        const string Said = "\u2026";
        try
        {
            var text = template.Render(TemplateMessages.Of([new(ChatRole.User, "a"), new(ChatRole.Assistant, Said)], template.Source), Options(false, [])).Text;
            var after = text[(text.LastIndexOf(Said, StringComparison.Ordinal) + Said.Length)..].TrimStart();
            return text.Contains(Said, StringComparison.Ordinal) && Array.Find(special, token => after.StartsWith(token.Text, StringComparison.Ordinal)) is { Text: not null } found ? [found.Id] : [];
        }
        catch (TemplateException)
        {
            return [];
        }
    }

    private static void CheckAgreement(IReadOnlyDictionary<string, int> specialTokens, JsonTokenizer published)
    {
        foreach (var (text, id) in specialTokens)
        {
            if (published.AddedId(text) != id)
                throw new ArgumentException($"The special token '{text}' has the id {id} here, and {(published.AddedId(text) is { } known ? $"the tokenizer gives it {known}" : "the tokenizer has no such added token")}; leave {nameof(specialTokens)} out to take the tokenizer's.", nameof(specialTokens));
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<long> StopTokens { get; private set; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<long, string> SpecialTokens { get; }

    /// <inheritdoc/>
    public IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages) => Encode(messages, []);

    /// <inheritdoc/>
    public IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages, IReadOnlyList<AITool> tools)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(tools);
        try
        {
            var chat = Render(messages, true, tools);
            if (tools.Count > 0 && chat.Text == template.Render(TemplateMessages.Of(messages, template.Source), Options(true, [])).Text)
                throw new NotSupportedException($"The chat template has no place for tools ({string.Join(", ", tools.Select(tool => tool.Name))}); leave Tools out, or take a template that uses them.");
            return [.. Tokens(chat).Select(token => token.Id)];
        }
        catch (TemplateException error)
        {
            throw new ArgumentException($"The chat template refuses the conversation: {error.Message}", nameof(messages), error);
        }
    }

    /// <summary>The tokens of a conversation, each with whether the assistant says it.</summary>
    /// <remarks>What the assistant says is what the template marks as generated. Where it marks nothing, it is what each of the
    /// assistant's messages adds to the text before it with the assistant's turn opened.</remarks>
    /// <param name="messages">The conversation, the assistant's answers in it.</param>
    /// <exception cref="TemplateException">The template refuses the messages, or does not write a conversation as the beginning of a longer
    /// one, so that what the assistant says cannot be told apart.</exception>
    public IReadOnlyList<(int Id, bool IsGenerated)> EncodeTurns(IReadOnlyList<ChatMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var chat = Render(messages, false);
        if (!template.MarksGeneration)
            chat = chat with { Generated = [.. messages.Index().Where(entry => entry.Item.Role == ChatRole.Assistant).Select(entry => Added(messages, entry.Index, chat.Text))] };
        return [.. Tokens(chat)];
    }

    private Range Added(IReadOnlyList<ChatMessage> messages, int index, string whole)
    {
        var before = Part(messages.Take(index), true);
        var after = Part(messages.Take(index + 1), false);
        return after.Length > before.Length && after.StartsWith(before, StringComparison.Ordinal) && whole.StartsWith(after, StringComparison.Ordinal)
            ? before.Length..after.Length
            : throw new TemplateException($"The template does not write the conversation up to message {index} as the beginning of the longer one, so what the assistant says there cannot be told apart; put generation blocks around it.");
    }

    // Of a conversation that was looked at as a whole.
    private string Part(IEnumerable<ChatMessage> messages, bool opensAnswer) => template.Render(TemplateMessages.Of([.. messages], template.Source), Options(opensAnswer, [])).Text;

    // With its calls and results: a chat that loses them on its way would answer something else.
    private RenderedChat Render(IReadOnlyList<ChatMessage> messages, bool opensAnswer, IReadOnlyList<AITool>? tools = null)
    {
        var (written, options) = (TemplateMessages.Of(messages, template.Source), Options(opensAnswer, tools ?? []));
        var chat = template.Render(written, options);
        TemplateMessages.CheckWhole(chat, written, others => template.Render(others, options));
        return chat;
    }

    private ChatRenderOptions Options(bool opensAnswer, IReadOnlyList<AITool> tools) => new()
    {
        AddGenerationPrompt = opensAnswer,
        BosToken = begin,
        EosToken = end,
        RoleTexts = tokenizer.RoleTexts,
        Tools = tools.Count > 0 ? TemplateMessages.Of(tools) : null,
    };
}
