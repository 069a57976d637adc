using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit.Core.Tests;

public class TokenDecoderTests
{
    public static TheoryData<string> Kinds => ["byte", "byte-pair", "other"];

    private static Tokenizer Create(string kind) => kind switch
    {
        "byte" => new ByteTokenizer(),
        "byte-pair" => new BytePairTrainer(new BytePairOptions { VocabSize = 300 }).Train([SampleText.Words(1, 1000)]).CreateTokenizer().Tokenizer,
        _ => new Disguised(new ByteTokenizer()),
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pieces_join_to_the_whole_and_never_split_a_character(string kind)
    {
        var tokenizer = Create(kind);
        foreach (var text in new[] { SampleText.Mixed, SampleText.Random(3, 100).Replace("\ufffd", "x", StringComparison.Ordinal), "\ud83d\udc4d" })
        {
            var decoder = new TokenStream.Decoder(tokenizer);
            var whole = new StringBuilder();
            foreach (var id in tokenizer.EncodeToIds(text))
            {
                var piece = decoder.Add(id);
                Assert.DoesNotContain('\ufffd', piece);
                Assert.False(piece.Length > 0 && (char.IsLowSurrogate(piece[0]) || char.IsHighSurrogate(piece[^1])));
                _ = whole.Append(piece);
            }
            Assert.Equal(string.Empty, decoder.Flush());
            Assert.Equal(text, whole.ToString());
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_unfinished_character_is_held_and_flushed_as_a_replacement(string kind)
    {
        var tokenizer = Create(kind);
        var decoder = new TokenStream.Decoder(tokenizer);
        var ids = tokenizer.EncodeToIds("\ud83d\udc4d");
        Assert.All(ids.SkipLast(1), id => Assert.Equal(string.Empty, decoder.Add(id)));
        Assert.Equal("\ufffd", decoder.Flush().TrimEnd('\ufffd') + "\ufffd");
        Assert.Equal("A", decoder.Add(65));
    }

    [Fact]
    public void Invalid_bytes_become_replacements_and_do_not_stop_the_stream()
    {
        var decoder = new TokenStream.Decoder(new ByteTokenizer());
        var text = string.Concat(new[] { 0xff, 65, 0xe4, 66, 0xf0, 0x9f }.Select(decoder.Add)) + decoder.Flush();
        Assert.Equal("\ufffdA\ufffdB\ufffd", text);
        Assert.Contains("0 to 255", Assert.Throws<ArgumentOutOfRangeException>(() => decoder.Add(256)).Message, StringComparison.Ordinal);
    }

    private sealed class Disguised(Tokenizer inner) : Tokenizer
    {
        public override string Decode(IEnumerable<int> ids) => inner.Decode(ids)!;

        public override System.Buffers.OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten) =>
            inner.Decode(ids, destination, out idsConsumed, out charsWritten);

        protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) =>
            new() { Tokens = inner.EncodeToTokens(text ?? textSpan.ToString(), out _) };
    }
}
