using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Defaults of a chat client over a language model, for what a request leaves open.</summary>
/// <remarks>What is null here is as the model's configured sampler has it. The client copies them when it is made.</remarks>
public sealed class LanguageModelChatOptions
{
    /// <summary>The name that answers carry, and the only one that a request may ask for. Default lmkit.</summary>
    public string ModelId { get; set; } = "lmkit";

    /// <summary>Most tokens of an answer. Default 256.</summary>
    [Range(0, int.MaxValue)]
    public int MaxOutputTokens { get; set; } = 256;

    /// <summary>Sampling temperature; 0 takes the most likely token.</summary>
    [Range(0.0, 1000.0)]
    public float? Temperature { get; set; }

    /// <summary>Keeps the smallest set of most likely tokens whose probability reaches it; 1 keeps all.</summary>
    [Range(0.0, 1.0)]
    public float? TopP { get; set; }

    /// <summary>Keeps as many of the most likely tokens; 0 keeps all.</summary>
    [Range(0, int.MaxValue)]
    public int? TopK { get; set; }

    /// <summary>Drops tokens less likely than this share of the most likely one; 0 keeps all.</summary>
    [Range(0.0, 1.0)]
    public double? MinP { get; set; }

    /// <summary>Divides positive and multiplies negative logits of tokens already present; 1 changes nothing.</summary>
    [Range(0.01, 100.0)]
    public double? RepetitionPenalty { get; set; }

    /// <summary>Subtracted from a token's logit once per earlier occurrence in the answer.</summary>
    [Range(-100.0, 100.0)]
    public float? FrequencyPenalty { get; set; }

    /// <summary>Subtracted from the logit of a token that already occurred in the answer.</summary>
    [Range(-100.0, 100.0)]
    public float? PresencePenalty { get; set; }

    /// <summary>Token steps computed at a time; further ones wait. Answers in progress take turns at them, and a reader who stops reading
    /// holds none. Default 4.</summary>
    [Range(1, int.MaxValue)]
    public int MaxParallelAnswers { get; set; } = 4;

    /// <summary>Filters of the logits that apply to every answer, before what a request asks for. None by default.</summary>
    public IReadOnlyList<LogitFilter> Filters { get; set; } = [];

    internal LanguageModelChatOptions Copy()
    {
        var copy = (LanguageModelChatOptions)MemberwiseClone();
        copy.Filters = [.. Filters ?? []];
        return copy;
    }
}

/// <summary>Language models as chat clients.</summary>
public static class LanguageModelChat
{
    /// <summary>Serves a causal model as a chat client; the model stays the caller's and should be in evaluation mode.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="format">How it takes conversations; plain text by default.</param>
    /// <param name="options">Defaults for what requests leave open.</param>
    public static IChatClient AsChatClient(this ILanguageModel model, ModelTokenizer tokenizer, IChatFormat? format = null, LanguageModelChatOptions? options = null) =>
        new LanguageModelChatClient(model, tokenizer, format ?? new PlainChatFormat(tokenizer), options ?? new LanguageModelChatOptions());
}
