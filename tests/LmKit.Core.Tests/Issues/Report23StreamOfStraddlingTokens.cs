using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit.Core.Tests;

public class Report23StreamOfStraddlingTokens
{
    private static readonly byte[][] Entries =
        [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }), [0xE2, 0x82], [0xAC, 0xE2, 0x82], [0xF0, 0x9F], [0x91], [0x8D, 0xF0, 0x9F, 0x91], [0x20, 0xE2], [0x80]];

    private static readonly BytePairVocabulary Pairs = new BytePairTrainer(new BytePairOptions { VocabSize = 300, MinimumCount = 1, SpecialTokens = ["<\u00f1>"] }).Train(["plain \u20ac text \ud83d\udc4d na\u00efve"]);

    public static TheoryData<string> Kinds => ["tiktoken", "other byte pairs", "byte pairs", "bytes"];

    private static (Tokenizer Tokenizer, int Count) Create(string kind) => kind switch
    {
        "tiktoken" => (TiktokenTokenizer.Create(new MemoryStream(Encoding.UTF8.GetBytes(string.Concat(Entries.Select((entry, id) => $"{Convert.ToBase64String(entry)} {id}\n")))), null, null), Entries.Length),
        "other byte pairs" => (BpeTokenizer.Create(new BpeOptions(Pairs.Entries) { Merges = Pairs.Merges, ByteLevel = true }), Pairs.Entries.Count),
        "byte pairs" => (Pairs.CreateTokenizer().Tokenizer, Pairs.Entries.Count),
        _ => (new ByteTokenizer(), 256),
    };

    [Fact]
    public void Tokens_that_begin_and_end_inside_characters_lose_none()
    {
        int[] ids = [256, .. Enumerable.Repeat(257, 1_000), 0xAC, 'x'];
        var decoder = new TokenStream.Decoder(Create("tiktoken").Tokenizer);
        Assert.Equal(new string('\u20ac', 1_001) + "x", string.Concat(ids.Select(decoder.Add)) + decoder.Flush());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_pieces_of_any_ids_join_to_the_decoded_whole(string kind)
    {
        var (tokenizer, count) = Create(kind);
        int[] straddling = [0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x91, 0x8D, 0xFF, 0x80, 'A', .. Enumerable.Range(1, 7).Select(back => count - back)];
        var random = new Random(23);
        for (var round = 0; round < 600; round++)
        {
            int[] ids = [.. Enumerable.Range(0, random.Next(1, 250)).Select(_ => (round % 3) switch { 0 => random.Next(count), 1 => random.Next(128, count), _ => straddling[random.Next(straddling.Length)] })];
            var decoder = new TokenStream.Decoder(tokenizer);
            var pieces = ids.Select(decoder.Add).ToArray();
            Assert.Equal(tokenizer.Decode(ids), string.Concat(pieces) + decoder.Flush());
            Assert.All(pieces, piece => Assert.False(piece.Length > 0 && (char.IsLowSurrogate(piece[0]) || char.IsHighSurrogate(piece[^1]))));
        }
    }

    [Fact]
    public void A_long_stream_that_never_comes_to_a_whole_character_decodes_a_bounded_number_of_tokens_each_time()
    {
        var counting = new Counting(Create("tiktoken").Tokenizer);
        var decoder = new TokenStream.Decoder(counting);
        foreach (var id in Enumerable.Repeat(0xFF, 5_000).Concat(Enumerable.Repeat(257, 5_000)))
            _ = decoder.Add(id);
        Assert.InRange(counting.Most, 1, 200);
    }

    private sealed class Counting(Tokenizer inner) : Tokenizer
    {
        internal int Most { get; private set; }

        public override string Decode(IEnumerable<int> ids)
        {
            var all = ids.ToArray();
            Most = Math.Max(Most, all.Length);
            return inner.Decode(all)!;
        }

        public override System.Buffers.OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten) =>
            inner.Decode(ids, destination, out idsConsumed, out charsWritten);

        protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) =>
            new() { Tokens = inner.EncodeToTokens(text ?? textSpan.ToString(), out _) };
    }
}
