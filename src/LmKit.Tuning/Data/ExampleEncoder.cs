using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.AI;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>Turns prompt and response into tokens: [begin] + prompt + response + [end], the two encoded apart so that the border is exact.</summary>
public sealed class ExampleEncoder
{
    private const string ClosingPunctuation = ".,;:!?)]}'\"\u2019\u201d";

    private readonly Tokenizer tokenizer;
    private readonly ExampleOptions options;
    private readonly int? end;

    /// <summary>Makes an encoder.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Lengths and borders.</param>
    public ExampleEncoder(ModelTokenizer tokenizer, ExampleOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.tokenizer = tokenizer.Tokenizer;
        this.options = options ?? new ExampleOptions();
        end = this.options.EndId ?? tokenizer.EndOfTextId;
    }

    /// <summary>Encodes plain text: the response continues the prompt, with a blank between words.</summary>
    /// <param name="prompt">May be empty.</param>
    /// <param name="response">What is learned.</param>
    /// <param name="isTruncated">Whether the response was cut off where it was made; its end is then not learned.</param>
    /// <returns>Null when no token would count.</returns>
    public SupervisedExample? Encode(string prompt, string response, bool isTruncated = false)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(response);
        if (prompt.Length > 0 && response.Length > 0 && !char.IsWhiteSpace(prompt[^1]) && !char.IsWhiteSpace(response[0]) && !ClosingPunctuation.Contains(response[0], StringComparison.Ordinal))
            response = " " + response;
        return Encode(tokenizer.EncodeToIds(prompt), tokenizer.EncodeToIds(response), isTruncated);
    }

    /// <summary>Joins token ids, cutting what is too long: first the response's end, then the prompt's beginning.</summary>
    /// <inheritdoc cref="Encode(string, string, bool)"/>
    public SupervisedExample? Encode(IReadOnlyList<int> prompt, IReadOnlyList<int> response, bool isTruncated = false)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(response);
        var begins = options.BeginId is null ? 0 : 1;
        var ends = isTruncated || end is null ? 0 : 1;
        if (begins + prompt.Count + response.Count + ends > options.MaxLength)
        {
            ends = 0;
            var room = Math.Max(options.MaxLength - begins - prompt.Count, Math.Min(options.MinResponseTokens, options.MaxLength - begins));
            response = [.. response.Take(room)];
            prompt = [.. prompt.Skip(Math.Max(0, begins + prompt.Count + response.Count - options.MaxLength))];
        }
        List<int> tokens = [.. options.BeginId is { } begin ? [begin] : (int[])[], .. prompt, .. response];
        if (ends > 0)
            tokens.Add(end!.Value);
        var border = begins + prompt.Count;
        var example = new SupervisedExample(tokens, [.. tokens.Select((_, index) => options.LossOn == LossTarget.All ? index >= begins : index >= border)]);
        return example.TargetCount > 0 ? example : null;
    }
}

/// <summary>How prompts and responses become examples.</summary>
public sealed class ExampleOptions
{
    /// <summary>Most tokens of an example. Default 2048.</summary>
    [Range(2, 1 << 24)]
    public int MaxLength { get; set; } = 2048;

    /// <summary>Tokens of the response that stay when an example is too long; the prompt gives way first beyond that. Default 16.</summary>
    [Range(1, 1 << 24)]
    public int MinResponseTokens { get; set; } = 16;

    /// <summary>What is learned. Default the response.</summary>
    public LossTarget LossOn { get; set; }

    /// <summary>The id that begins an example, or null for none.</summary>
    public int? BeginId { get; set; }

    /// <summary>The id that ends a whole response, or null for the tokenizer's end of text.</summary>
    public int? EndId { get; set; }
}

/// <summary>Which tokens of an example are learned.</summary>
public enum LossTarget
{
    /// <summary>The response and its end.</summary>
    Response,

    /// <summary>Every token that another one precedes.</summary>
    All,
}

/// <summary>The verb that makes a conversation a training example.</summary>
public static class ChatExampleExtensions
{
    /// <summary>A conversation as a training example in which the assistant's turns are learned.</summary>
    /// <remarks>What the assistant says is what the template marks as generated. Where it marks nothing, it is what each of the
    /// assistant's messages adds to the text before it with the assistant's turn opened.</remarks>
    /// <param name="format">The template and tokenizer that the model is served with.</param>
    /// <param name="messages">The conversation.</param>
    /// <exception cref="TemplateException">The template refuses the messages, or does not write a conversation as the beginning of a longer
    /// one, so that what the assistant says cannot be told apart.</exception>
    public static SupervisedExample Example(this ChatTemplateFormat format, IReadOnlyList<ChatMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(messages);
        var tokens = format.EncodeTurns(messages);
        return new SupervisedExample([.. tokens.Select(token => token.Id)], [.. tokens.Select(token => token.IsGenerated)]);
    }
}
