using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Passkey retrieval in English, for any tokenizer: an instruction, a group of short sentences again and again, sentences with keys between them, a
/// question; the first whole number of the answer counts.</summary>
/// <remarks>A key is from 1 to 9,999,999 and stated twice.</remarks>
public sealed partial class PasskeyText : PasskeyTask
{
    private const int LargestKey = 9_999_999;
    private const string Instruction = "Somewhere in the long text below a number is given as a pass key. Find it and remember it; you will be asked for it.\n";
    private const string Filler = "The meadow is wide. The brook is clear. The hill is low. We walk on. Then we turn back.\n";

    private readonly ModelTokenizer tokenizer;
    private readonly bool hasNames;

    /// <summary>Makes the task.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="hasNames">Whether keys have names, so that a prompt can hide several. Default false.</param>
    /// <param name="answerLength">Greedy tokens after which the answer is read. Default 7.</param>
    public PasskeyText(ModelTokenizer tokenizer, bool hasNames = false, int answerLength = 7)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(answerLength);
        (this.tokenizer, this.hasNames, AnswerLength) = (tokenizer, hasNames, answerLength);
    }

    /// <inheritdoc/>
    public override int MaxKeyCount => hasNames ? 26 : 1;

    /// <inheritdoc/>
    public override int AnswerLength { get; }

    /// <inheritdoc/>
    public override PasskeyPrompt Make(long length, int keyCount, double? depth, Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        Check(keyCount, depth);
        var labels = hasNames ? DrawDifferent(keyCount, MaxKeyCount, random) : [0];
        PasskeyKey[] keys = [.. labels.Select(label => new PasskeyKey(label, [1 + Draw(LargestKey, random)]))];
        var asked = Draw(keyCount, random);
        // Words may join at the seams, so what fits is found by encoding it.
        var one = Encode(Filler).Count;
        var groups = (int)((length - Encode(Text(keys, [.. Enumerable.Range(0, keyCount)], 0, keys[asked])).Count) / one);
        for (; groups >= keyCount; groups--)
        {
            var (slots, place) = Places(groups, keyCount, depth, random);
            (keys[asked], keys[place], asked) = (keys[place], keys[asked], place);
            if (Encode(Text(keys, slots, groups, keys[asked])) is var tokens && tokens.Count <= length)
                return new PasskeyPrompt(tokens, keys[asked], groups == 1 ? 0 : slots[place] / (groups - 1.0));
        }
        throw new ArgumentException($"A prompt of {length} tokens has no room for {keyCount} keys, the instruction, a question and filler.", nameof(length));
    }

    /// <inheritdoc/>
    public override bool IsRight(PasskeyPrompt prompt, IReadOnlyList<int> given)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var text = tokenizer.Decode(given);
        return WholeNumber().Match(text) is { Success: true } match && match.Value.TrimStart('0') == prompt.Answer.Value[0].ToString(CultureInfo.InvariantCulture);
    }

    private IReadOnlyList<int> Encode(string text) => tokenizer.Tokenizer.EncodeToIds(text);

    private string Text(PasskeyKey[] keys, int[] slots, int groups, PasskeyKey asked)
    {
        var text = new StringBuilder(Instruction);
        var next = 0;
        for (var slot = 0; slot < Math.Max(groups, keys.Length); slot++)
        {
            if (next < keys.Length && slots[next] == slot)
            {
                var (name, value) = (Name(keys[next]), keys[next].Value[0]);
                _ = text.Append(CultureInfo.InvariantCulture, $"The pass key{name} is {value}. Remember it: {value} is the pass key{name}.\n");
                next++;
            }
            if (slot < groups)
                _ = text.Append(Filler);
        }
        return text.Append(CultureInfo.InvariantCulture, $"What is the pass key{Name(asked)}? The pass key{Name(asked)} is").ToString();
    }

    private string Name(PasskeyKey key) => hasNames ? $" {(char)('A' + key.Label)}" : "";

    [GeneratedRegex(@"\d+", RegexOptions.CultureInvariant)]
    private static partial Regex WholeNumber();
}
