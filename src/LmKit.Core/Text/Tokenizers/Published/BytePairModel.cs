using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>What a BPE model is made of, as <c>tokenizer.json</c> says it.</summary>
internal sealed record BytePairSettings
{
    /// <summary>What stands for a character that is no entry; null leaves it out.</summary>
    internal string? Unknown { get; init; }

    /// <summary>Before every symbol of a word but the first.</summary>
    internal string Prefix { get; init; } = "";

    /// <summary>Behind the last symbol of a word.</summary>
    internal string Suffix { get; init; } = "";

    /// <summary>Whether unknown neighbours are one token.</summary>
    internal bool FusesUnknown { get; init; }

    /// <summary>Whether an unknown character becomes the entries of its bytes.</summary>
    internal bool FallsBack { get; init; }

    /// <summary>Whether a piece that is an entry is taken whole.</summary>
    internal bool IgnoresMerges { get; init; }

    /// <summary>Whether a piece's bytes are spelled as printable characters first.</summary>
    internal bool Spells { get; init; }
}

/// <summary>Byte pair encoding over characters or bytes.</summary>
/// <remarks>R. Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (2016), algorithm 1, with the options of
/// Hugging Face's library. A long piece is cut first where no merge can ever reach across, which changes nothing and lets words be kept.</remarks>
internal sealed class BytePairModel : TokenModel
{
    private const int JoinBits = 20;

    private readonly BytePairSettings settings;
    private readonly Merge[] merges;
    private readonly PairTable pairs;
    private readonly int[] single = new int[char.MaxValue + 1]; // the entry of a character, or -1
    private readonly int[] bytes = new int[256]; // the entry of <0xNN>, or of a spelled byte
    private readonly bool knowsAllBytes;
    private readonly int? unknown;

    // Bits for (last character, first character) of merges; a bit that is not set: nothing is ever merged there.
    private readonly ulong[] joins = new ulong[1 << (JoinBits - 6)];
    private readonly bool cutsWords;
    private readonly bool cutsAtUnknown;
    private readonly bool cutsBetweenUnknown;

    /// <summary>Makes the model; a merge is two ids, its rank and what it makes.</summary>
    /// <exception cref="FormatException">The unknown token is no entry, and there can be unknown characters.</exception>
    internal BytePairModel(TokenVocabulary vocabulary, Merge[] merges, BytePairSettings settings)
        : this(vocabulary, merges, settings, settings.Unknown is { } name ? vocabulary.Id(name) : null)
    {
        if (settings.Unknown is { } token && unknown is null && !(knowsAllBytes && cutsWords && (settings.Spells || settings.FallsBack)))
            throw new FormatException($"model.unk_token is '{token}', which model.vocab lacks");
    }

    private BytePairModel(TokenVocabulary vocabulary, Merge[] merges, BytePairSettings settings, int? unknown)
        : base(vocabulary)
    {
        (this.settings, this.merges, this.unknown) = (settings, merges, unknown);
        pairs = new PairTable(merges);
        FillSingle();
        for (var value = 0; value < 256; value++)
            bytes[value] = vocabulary.Id(settings.Spells ? ByteAlphabet.Spell([(byte)value]) : string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>")) ?? -1;
        knowsAllBytes = Array.TrueForAll(bytes, id => id >= 0);
        var (usesBytes, usesUnknown) = NoteMerges();
        cutsWords = settings.Prefix.Length == 0 && settings.Suffix.Length == 0;
        var always = settings.FallsBack && knowsAllBytes && !usesBytes && !settings.Spells;
        cutsAtUnknown = always || (!settings.FallsBack && unknown is not null && !usesUnknown);
        cutsBetweenUnknown = always || (cutsAtUnknown && !settings.FusesUnknown);
    }

    // Loops stand apart from the rest, which else would be compiled once more with them.
    private void FillSingle()
    {
        Array.Fill(single, -1);
        foreach (var (entry, id) in Vocabulary.Ids)
        {
            if (entry.Length == 1)
                single[entry[0]] = id;
        }
    }

    // Whether merges use an entry of a byte, or the unknown token.
    private (bool Bytes, bool Unknown) NoteMerges()
    {
        var spare = settings.Spells ? [] : bytes.Where(id => id >= 0).ToHashSet();
        var (usesBytes, usesUnknown) = (false, false);
        foreach (var merge in merges)
        {
            usesBytes |= spare.Count > 0 && (spare.Contains(merge.Left) || spare.Contains(merge.Right));
            usesUnknown |= merge.Left == unknown || merge.Right == unknown;
            var bit = Join(Vocabulary.Entry(merge.Left)![^1], Vocabulary.Entry(merge.Right)![0]);
            joins[bit >> 6] |= 1UL << bit;
        }
        return (usesBytes, usesUnknown);
    }

    internal override void Encode(ReadOnlySpan<char> piece, TokenSink sink)
    {
        if (piece.Length <= WordCache.LongestWord && sink.Lengths is null)
        {
            EncodeWord(piece, sink, settings.IgnoresMerges);
            return;
        }
        if (settings.Spells)
        {
            var spelled = ByteAlphabet.Spell(Encoding.UTF8.GetBytes(piece.ToString()));
            if (!TakesWhole(spelled, sink))
                Cut(spelled, sink);
        }
        else if (!TakesWhole(piece, sink))
        {
            Cut(piece, sink);
        }
    }

    internal override TokenModel Without(IReadOnlySet<int> hidden) =>
        new BytePairModel(Vocabulary.Without(hidden), [.. merges.Where(merge => !hidden.Contains(merge.Left) && !hidden.Contains(merge.Right) && !hidden.Contains(merge.Id))], settings, unknown);

    protected override void Make(ReadOnlySpan<char> piece, TokenSink sink) => Cut(piece, sink);

    private bool TakesWhole(ReadOnlySpan<char> piece, TokenSink sink)
    {
        if (!settings.IgnoresMerges || Vocabulary.Id(piece) is not { } id)
            return false;
        sink.Ids.Add(id);
        sink.Lengths?.Add(piece.Length);
        return true;
    }

    private void EncodeWord(ReadOnlySpan<char> word, TokenSink sink, bool takesWhole)
    {
        var hash = WordCache.Hash(word);
        if (sink.Cache.TryAdd(word, hash, sink.Ids))
            return;
        var first = sink.Ids.Count;
        if (settings.Spells && knowsAllBytes && cutsWords)
        {
            Span<byte> utf8 = stackalloc byte[3 * WordCache.LongestWord];
            utf8 = utf8[..Encoding.UTF8.GetBytes(word, utf8)];
            if (!takesWhole || !TakesWhole(ByteAlphabet.Spell(utf8), sink))
            {
                sink.Merges.Clear();
                foreach (var value in utf8)
                    sink.Merges.Add(bytes[value], 1);
                Merge(sink);
            }
        }
        else if (settings.Spells)
        {
            var spelled = ByteAlphabet.Spell(Encoding.UTF8.GetBytes(word.ToString()));
            if (!takesWhole || !TakesWhole(spelled, sink))
                MergeWord(spelled, sink);
        }
        else if (!takesWhole || !TakesWhole(word, sink))
        {
            MergeWord(word, sink);
        }
        sink.Cache.Keep(word, hash, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(sink.Ids)[first..]);
    }

    // Words of a long piece, cut where nothing can be merged. Kept words are those of a piece, which an entry may take whole.
    private void Cut(ReadOnlySpan<char> piece, TokenSink sink)
    {
        if (!cutsWords)
        {
            MergeWord(piece, sink);
            return;
        }
        var isKept = !settings.Spells && !settings.IgnoresMerges && sink.Lengths is null;
        var start = 0;
        var wasKnown = true;
        for (var place = 0; place < piece.Length;)
        {
            var isPair = char.IsHighSurrogate(piece[place]) && place + 1 < piece.Length && char.IsLowSurrogate(piece[place + 1]);
            var isKnown = isPair ? Vocabulary.Id(piece.Slice(place, 2)) is not null : single[piece[place]] >= 0;
            if (place > start && (isKnown && wasKnown ? !CanJoin(piece[place - 1], piece[place]) : isKnown || wasKnown ? cutsAtUnknown : cutsBetweenUnknown))
            {
                Part(piece[start..place], sink, isKept);
                start = place;
            }
            wasKnown = isKnown;
            place += isPair ? 2 : 1;
        }
        Part(piece[start..], sink, isKept);
    }

    private void Part(ReadOnlySpan<char> word, TokenSink sink, bool isKept)
    {
        if (isKept && word.Length <= WordCache.LongestWord)
            EncodeWord(word, sink, takesWhole: false);
        else
            MergeWord(word, sink);
    }

    private static int Join(char left, char right) => (int)(((((uint)left << 16) | right) * 0x9e3779b1u) >> (32 - JoinBits));

    private bool CanJoin(char left, char right)
    {
        var bit = Join(left, right);
        return (joins[bit >> 6] >> bit & 1) != 0;
    }

    private void Merge(TokenSink sink)
    {
        sink.Merges.Merge(pairs);
        sink.Ids.AddRange(sink.Merges.Ids);
        sink.Lengths?.AddRange(sink.Merges.Lengths);
    }

    private void MergeWord(ReadOnlySpan<char> word, TokenSink sink)
    {
        var symbols = sink.Merges;
        symbols.Clear();
        var waiting = 0; // characters of an unknown token that is not yet added
        for (var place = 0; place < word.Length;)
        {
            _ = CodePointSet.At(word, place, out var length);
            var isLast = place + length == word.Length;
            if (Symbol(word.Slice(place, length), place == 0, isLast) is { } id)
            {
                if (waiting > 0)
                    symbols.Add(unknown!.Value, waiting);
                waiting = 0;
                symbols.Add(id, length);
            }
            else if (!settings.FallsBack || !AddBytes(word.Slice(place, length), place == 0, isLast, symbols))
            {
                if (unknown is { } token)
                {
                    if (waiting > 0 && !settings.FusesUnknown)
                    {
                        symbols.Add(token, waiting);
                        waiting = 0;
                    }
                    waiting += length;
                }
            }
            place += length;
        }
        if (waiting > 0)
            symbols.Add(unknown!.Value, waiting);
        Merge(sink);
    }

    private int? Symbol(ReadOnlySpan<char> character, bool isFirst, bool isLast)
    {
        var before = isFirst ? "" : settings.Prefix;
        var behind = isLast ? settings.Suffix : "";
        if (before.Length > 0 || behind.Length > 0)
            return Vocabulary.Id($"{before}{character}{behind}");
        return character.Length == 1 ? single[character[0]] is var id && id >= 0 ? id : null : Vocabulary.Id(character);
    }

    private bool AddBytes(ReadOnlySpan<char> character, bool isFirst, bool isLast, MergeBuffer symbols)
    {
        var spelled = Encoding.UTF8.GetBytes($"{(isFirst ? "" : settings.Prefix)}{character}{(isLast ? settings.Suffix : "")}");
        foreach (var value in spelled)
        {
            if (Fallback(value) < 0)
                return false;
        }
        for (var index = 0; index < spelled.Length; index++)
            symbols.Add(Fallback(spelled[index]), index == spelled.Length - 1 ? character.Length : 0);
        return true;
    }

    private int Fallback(byte value) => settings.Spells ? Vocabulary.Id(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>")) ?? -1 : bytes[value];
}
