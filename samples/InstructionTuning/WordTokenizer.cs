using System.Buffers;
using Microsoft.ML.Tokenizers;

namespace LmKit.InstructionTuning;

/// <summary>A tokenizer whose tokens are the words of a closed vocabulary; every word decodes with a blank after it.</summary>
/// <remarks>Control tokens have ids but no spelling, so no text can contain one. Thread-safe.</remarks>
public sealed class WordTokenizer : Tokenizer
{
    /// <summary>The control token that stands for every word outside the vocabulary.</summary>
    public const string Unknown = "<unk>";

    private readonly string[] words;
    private readonly Dictionary<string, int> ids;
    private readonly int unknown;

    /// <summary>Makes the tokenizer of a vocabulary.</summary>
    /// <param name="controls">Names of the control tokens, which take the first ids; one of them is <see cref="Unknown"/>.</param>
    /// <param name="vocabulary">The words.</param>
    public WordTokenizer(IReadOnlyList<string> controls, IEnumerable<string> vocabulary)
    {
        words = [.. controls, .. vocabulary];
        unknown = Array.IndexOf(words, Unknown);
        ids = words.Index().Skip(controls.Count).ToDictionary(entry => entry.Item, entry => entry.Index, StringComparer.Ordinal);
    }

    /// <summary>How many ids there are.</summary>
    public int Count => words.Length;

    /// <inheritdoc/>
    public override string Decode(IEnumerable<int> ids) => string.Concat(ids.Select(id => words[id] + " "));

    /// <inheritdoc/>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        (idsConsumed, charsWritten) = (0, 0);
        foreach (var id in ids)
        {
            var text = words[id] + " ";
            if (!text.TryCopyTo(destination[charsWritten..]))
                return OperationStatus.DestinationTooSmall;
            charsWritten += text.Length;
            idsConsumed++;
        }
        return OperationStatus.Done;
    }

    /// <inheritdoc/>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var whole = text ?? textSpan.ToString();
        var tokens = new List<EncodedToken>();
        var place = 0;
        while (tokens.Count < settings.MaxTokenCount)
        {
            while (place < whole.Length && whole[place] == ' ')
                place++;
            if (place == whole.Length)
                break;
            var end = whole.IndexOf(' ', place);
            end = end < 0 ? whole.Length : end;
            var word = whole[place..end];
            tokens.Add(new EncodedToken(ids.GetValueOrDefault(word, unknown), word, place..end));
            place = end;
        }
        return new EncodeResults<EncodedToken> { Tokens = tokens, CharsConsumed = place };
    }
}
