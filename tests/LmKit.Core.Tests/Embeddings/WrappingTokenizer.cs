using System.Buffers;
using Microsoft.ML.Tokenizers;

namespace LmKit.Core.Tests;

/// <summary>A byte tokenizer with as few ids as a tiny model has.</summary>
internal sealed class WrappingTokenizer(int count) : Tokenizer
{
    private readonly ByteTokenizer bytes = new();

    /// <summary>With as many ids as a model has.</summary>
    internal static ModelTokenizer For(ILanguageModel model) => new(new WrappingTokenizer((int)model.VocabSize), (int)model.VocabSize);

    public override string Decode(IEnumerable<int> ids) => throw new NotSupportedException();

    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten) => throw new NotSupportedException();

    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) =>
        new() { Tokens = [.. bytes.EncodeToIds(text is null ? textSpan : text.AsSpan()).Select(id => id % count)], CharsConsumed = text?.Length ?? textSpan.Length };

    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) => throw new NotSupportedException();
}
