namespace LmKit;

/// <summary>Defaults of a chat client over a language model, for what a request leaves open.</summary>
public sealed class LanguageModelChatOptions
{
    /// <summary>The name that answers carry. Default lmkit.</summary>
    public string ModelId { get; set; } = "lmkit";

    /// <summary>Most tokens of an answer. Default 256.</summary>
    public int MaxOutputTokens { get; set; } = 256;

    /// <summary>Sampling temperature; 0 takes the most likely token. Default 1.</summary>
    public float Temperature { get; set; } = 1;

    /// <summary>Answers generated at a time; further requests wait. Default 1.</summary>
    public int MaxParallelAnswers { get; set; } = 1;

    /// <summary>Filters of the logits that apply to every answer, before what a request asks for. None by default.</summary>
    public IReadOnlyList<LogitFilter> Filters { get; set; } = [];
}
