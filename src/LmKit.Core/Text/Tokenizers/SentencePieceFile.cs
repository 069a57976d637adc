using System.Security.Cryptography;
using System.Text;

namespace LmKit;

/// <summary>Reads sentencepiece's <c>tokenizer.model</c>: BPE and unigram.</summary>
/// <remarks>
/// sentencepiece_model.proto: pieces (1) with text (1), score (2) and type (3); trainer (2) with model type (3), byte fallback (35) and ids of
/// unknown, begin and end (40 to 42); normalizer (3) with its map (2), a blank before the text (3), blanks in a row as one (4) and blanks as marks (5).
/// BPE merges the pair whose whole has the highest score. Control pieces are special tokens, pieces that users defined are added ones.
/// </remarks>
internal static class SentencePieceFile
{
    private const string Mark = "\u2581";
    private const int MostPieces = 1 << 22;

    private enum PieceType
    {
        Normal = 1,
        Unknown = 2,
        Control = 3,
        UserDefined = 4,
        Unused = 5,
        Byte = 6,
    }

    private sealed class Model
    {
        internal List<(string Text, float Score, PieceType Type)> Pieces { get; } = [];

        internal int Kind { get; set; } = 1;

        internal bool FallsBack { get; set; }

        internal long Begin { get; set; } = 1;

        internal long End { get; set; } = 2;

        internal byte[] Map { get; set; } = [];

        internal bool AddsBlank { get; set; } = true;

        internal bool JoinsBlanks { get; set; } = true;

        internal bool MarksBlanks { get; set; } = true;

        internal bool MarkIsBehind { get; set; }
    }

    /// <summary>Reads the file.</summary>
    /// <param name="path">Its name, for errors.</param>
    /// <param name="bytes">What it holds.</param>
    /// <param name="addsBegin">Whether its begin of text is put before a text.</param>
    /// <param name="addsEnd">Whether its end of text is put behind a text.</param>
    /// <param name="added">Reads the tokens that stand in files beside it.</param>
    /// <exception cref="TokenizerException">It is malformed or of a kind that is not supported.</exception>
    internal static ModelTokenizer Read(string path, ReadOnlyMemory<byte> bytes, bool addsBegin, bool addsEnd, Func<TokenVocabulary, IReadOnlyList<AddedToken>>? added = null)
    {
        try
        {
            var model = Parse(bytes.Span);
            if (model.Pieces.Count == 0)
                throw new FormatException("it has no pieces");
            if (model.MarkIsBehind || !model.MarksBlanks)
                throw new FormatException("its blanks are not marked at the beginning of words, which is not supported");
            var (begin, end) = (Id(model, model.Begin), Id(model, model.End));
            var plan = Plan(model) with { File = path, Hash = Convert.ToHexStringLower(SHA256.HashData(bytes.Span)) };
            if (added?.Invoke(plan.Model.Vocabulary) is { Count: > 0 } more)
                plan = plan with { Added = [.. plan.Added.ExceptBy(more.Select(token => token.Text), token => token.Text), .. more], Hash = $"{plan.Hash} {string.Join(' ', more)}" };
            if ((addsBegin && begin is null) || (addsEnd && end is null))
                throw new FormatException($"it has no {(addsBegin && begin is null ? "begin" : "end")} of text, which is to be put around a text");
            if (addsBegin || addsEnd)
                plan = plan with { Template = [.. addsBegin ? new[] { begin } : [], null, .. addsEnd ? new[] { end } : []] };
            var tokenizer = new JsonTokenizer(plan);
            return new ModelTokenizer(tokenizer, tokenizer.IdCount, end) { BeginOfTextId = begin, SpecialTokens = tokenizer.SpecialTokens };
        }
        catch (Exception failure) when (failure is FormatException or DecoderFallbackException)
        {
            throw new TokenizerException(path, $"the file is no sentencepiece model: {failure.Message}.", failure);
        }
    }

    private static int? Id(Model model, long id) => id >= 0 && id < model.Pieces.Count && model.Pieces[(int)id].Type == PieceType.Control ? (int)id : null;

    private static TokenizerPlan Plan(Model model)
    {
        var pieces = model.Pieces;
        var unknown = pieces.FindIndex(piece => piece.Type == PieceType.Unknown);
        if (unknown < 0)
            throw new FormatException("it has no unknown piece");
        var steps = new List<TextNormalizer>();
        if (model.Map.Length > 0)
            steps.Add(new PrecompiledNormalizer(model.Map));
        if (model.JoinsBlanks)
            steps.AddRange([new StripNormalizer(true, true), new ReplaceNormalizer(TextMatcher.OfPattern(" {2,}"), " ")]);
        if (model.AddsBlank)
            steps.Add(new PrependNormalizer(Mark));
        steps.Add(new ReplaceNormalizer(TextMatcher.OfText(" "), Mark));
        var isUnigram = model.Kind == 1;
        var cutsWords = isUnigram && !pieces.Exists(piece => piece.Text.LastIndexOf(Mark, StringComparison.Ordinal) > 0);
        return new TokenizerPlan(isUnigram ? Unigram(model, unknown) : model.Kind == 2 ? BytePair(model, unknown) : throw new FormatException($"its model type is {model.Kind}; known are 1 (unigram) and 2 (BPE)"))
        {
            Normalizer = new NormalizerSequence(steps),
            Splitters = cutsWords ? [new MetaspaceSplitter(Mark[0], MetaspaceScheme.Never, splits: true)] : [],
            Added = [.. pieces.Select((piece, id) => (piece, id)).Where(pair => pair.piece.Type is PieceType.Control or PieceType.Unknown or PieceType.UserDefined).Select(pair => new AddedToken(pair.piece.Text, pair.id, pair.piece.Type != PieceType.UserDefined))],
            Decoders = () => [new ReplaceDecoder(TextMatcher.OfText(Mark), " "), new ByteFallbackDecoder(), new JoinDecoder(), .. model.AddsBlank ? new TokenDecoder[] { new StripDecoder(" ", 1, 0) } : []],
        };
    }

    private static TokenModel Unigram(Model model, int unknown)
    {
        var hidden = model.Pieces.Select((piece, id) => (piece.Type, id)).Where(pair => pair.Type is not (PieceType.Normal or PieceType.UserDefined)).Select(pair => pair.id).ToHashSet();
        return new UnigramModel([.. model.Pieces.Select(piece => piece.Text)], [.. model.Pieces.Select(piece => (double)piece.Score)], unknown, model.FallsBack).Without(hidden);
    }

    // Every way to put a piece together of two others is a merge; its rank is the place of its score.
    private static BytePairModel BytePair(Model model, int unknown)
    {
        var vocabulary = new TokenVocabulary(model.Pieces.Select((piece, id) => (piece.Text, id)).ToDictionary(pair => pair.Text, pair => pair.id, StringComparer.Ordinal));
        var ranks = model.Pieces.Select(piece => piece.Score).Distinct().OrderDescending().Select((score, rank) => (score, rank)).ToDictionary(pair => pair.score, pair => pair.rank);
        var merges = new List<Merge>();
        for (var id = 0; id < model.Pieces.Count; id++)
        {
            var (text, score, type) = model.Pieces[id];
            if (type != PieceType.Normal)
                continue;
            for (var cut = 1; cut < text.Length; cut++)
            {
                if (!char.IsLowSurrogate(text[cut]) && Part(text.AsSpan(0, cut)) is { } left && Part(text.AsSpan(cut)) is { } right)
                    merges.Add(new Merge(left, right, ranks[score], id));
            }
        }
        return new BytePairModel(vocabulary, [.. merges], new BytePairSettings { Unknown = model.Pieces[unknown].Text, FusesUnknown = true, FallsBack = model.FallsBack });

        int? Part(ReadOnlySpan<char> text) => vocabulary.Id(text) is { } id && model.Pieces[id].Type is PieceType.Normal or PieceType.UserDefined ? vocabulary.Id(text) : null;
    }

    private static Model Parse(ReadOnlySpan<byte> bytes)
    {
        var model = new Model();
        var reader = new ProtobufReader(bytes);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 1:
                    var piece = Piece(reader.Bytes);
                    if (model.Pieces.Count == MostPieces)
                        throw new FormatException($"it has more than {MostPieces} pieces");
                    if (!seen.Add(piece.Text))
                        throw new FormatException($"it has the piece '{piece.Text}' twice");
                    model.Pieces.Add(piece);
                    break;
                case 2:
                    Trainer(reader.Bytes, model);
                    break;
                case 3:
                    Normalizer(reader.Bytes, model);
                    break;
            }
        }
        return model;
    }

    private static (string Text, float Score, PieceType Type) Piece(ReadOnlySpan<byte> bytes)
    {
        var (text, score, type) = ("", 0f, PieceType.Normal);
        var reader = new ProtobufReader(bytes);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 1:
                    text = new UTF8Encoding(false, true).GetString(reader.Bytes);
                    break;
                case 2:
                    score = reader.Single;
                    break;
                case 3:
                    type = (PieceType)reader.Number;
                    break;
            }
        }
        return text.Length > 0 && float.IsFinite(score) && Enum.IsDefined(type) ? (text, score, type) : throw new FormatException($"the piece '{text}' is empty, or has no finite score or no known type");
    }

    private static void Trainer(ReadOnlySpan<byte> bytes, Model model)
    {
        var reader = new ProtobufReader(bytes);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 3:
                    model.Kind = (int)reader.Number;
                    break;
                case 24:
                    model.MarkIsBehind = reader.Number != 0;
                    break;
                case 35:
                    model.FallsBack = reader.Number != 0;
                    break;
                case 41:
                    model.Begin = (int)reader.Number;
                    break;
                case 42:
                    model.End = (int)reader.Number;
                    break;
            }
        }
    }

    private static void Normalizer(ReadOnlySpan<byte> bytes, Model model)
    {
        var reader = new ProtobufReader(bytes);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 2:
                    model.Map = reader.Bytes.ToArray();
                    break;
                case 3:
                    model.AddsBlank = reader.Number != 0;
                    break;
                case 4:
                    model.JoinsBlanks = reader.Number != 0;
                    break;
                case 5:
                    model.MarksBlanks = reader.Number != 0;
                    break;
            }
        }
    }
}
