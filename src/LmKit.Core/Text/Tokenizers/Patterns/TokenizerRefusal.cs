namespace LmKit;

/// <summary>What a tokenizer cannot do to a text; whoever knows the file tells it by a TokenizerException.</summary>
internal sealed class TokenizerRefusal(string message) : Exception(message);
