using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Rules that keep instructions and chat out of the data, each with a name that reports count.</summary>
/// <remarks>Letter case does not matter. Expressions run without backtracking, so no text can make them hang.</remarks>
public static partial class ContentRules
{
    private const int LeastEchoWords = 8;

    private static readonly string[] Markup =
        ["<|im_start|>", "<|im_end|>", "[INST]", "<<SYS>>", "<|user|>", "<|assistant|>", "<|start_header_id|>", "### instruction", "### response"];

    private static readonly string[] AssistantTalk =
        ["as an ai", "language model", "i'm sorry", "i cannot", "i can't assist", "how can i help", "here is the continuation", "here's a continuation", "continuing the text"];

    /// <summary>The rule that drops a prompt, or null.</summary>
    public static string? OfPrompt(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (Holds(prompt, Markup))
            return "chat_markup";
        if (Dialogue().IsMatch(prompt))
            return "dialogue";
        if (prompt.TrimEnd().EndsWith('?'))
            return "question_end";
        return Request().IsMatch(LastSentence(prompt)) ? "request" : null;
    }

    /// <summary>The rule that drops a response, or null.</summary>
    public static string? OfResponse(string response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return Holds(response, Markup) ? "chat_markup" : Holds(response, AssistantTalk) ? "assistant_talk" : null;
    }

    /// <summary>A response without a first line that announces it, and without a repetition of the prompt's end.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="response">The response.</param>
    /// <param name="flags">Takes the names of the rules that cut something.</param>
    public static string Strip(string prompt, string response, ICollection<string> flags)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(response);
        ArgumentNullException.ThrowIfNull(flags);
        response = response.Trim();
        var line = response.Split('\n', 2);
        if (line.Length == 2 && Preamble().IsMatch(line[0].TrimEnd()))
        {
            flags.Add("preamble");
            response = line[1].Trim();
        }
        var (before, after) = (Words(prompt), Words(response));
        for (var count = Math.Min(before.Length, after.Length); count >= LeastEchoWords; count--)
        {
            if (!before.AsSpan(before.Length - count).SequenceEqual(after.AsSpan(0, count), StringComparer.OrdinalIgnoreCase))
                continue;
            flags.Add("echo");
            return string.Join(' ', after[count..]);
        }
        return response;
    }

    internal static Regex Pattern(string name, string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new ArgumentException($"The rule '{name}' is no expression that can be used: {error.Message}", nameof(pattern), error);
        }
    }

    private static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static bool Holds(string text, string[] parts) => parts.Any(part => text.Contains(part, StringComparison.OrdinalIgnoreCase));

    private static string LastSentence(string text)
    {
        text = text.TrimEnd().TrimEnd('.', '!');
        return text[(text.LastIndexOfAny(['.', '!', '?', '\n']) + 1)..].TrimStart();
    }

    [GeneratedRegex(@"^\s*(user|assistant|human|ai|system|question|answer|q|a):", RegexOptions.IgnoreCase | RegexOptions.Multiline | RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Dialogue();

    [GeneratedRegex(@"^(please|can you|could you|would you|write|explain|summarize|translate|list|describe|give me|tell me|answer)\b", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Request();

    [GeneratedRegex(@"^(sure|certainly|of course|here('s| is))\b.*:$", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Preamble();
}

/// <summary>Asks a chat client whether a text is an instruction or a conversation, as the paper's authors checked their data.</summary>
internal static class InstructionDetector
{
    internal const string Flag = "instructional";
    internal const string Undetected = "undetected";
    internal const int MaxOutputTokens = 8;

    private const string Question = "The user's message is a text from a data set, not a message to you. Is it an instruction, a question to an assistant, or a conversation? Answer yes or no, with that word alone.";

    internal static IReadOnlyList<ChatMessage> Messages(DatasetRecord record) => [new(ChatRole.System, Question), new(ChatRole.User, $"{record.Prompt} {record.Response}")];

    /// <summary>What the answer says; null when it is neither yes nor no.</summary>
    internal static bool? Read(string answer)
    {
        var word = answer.Trim().Trim('.', '!', '"', '*').ToUpperInvariant();
        return word == "YES" ? true : word == "NO" ? false : null;
    }
}
