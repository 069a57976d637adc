using System.Buffers;
using System.Text;

namespace LmKit.Core.Tests;

public class ByteTokenizerTests
{
    private readonly ByteTokenizer tokenizer = new();

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData(SampleText.Mixed)]
    public void Ids_are_the_utf8_bytes_and_decode_to_the_text(string text)
    {
        var ids = tokenizer.EncodeToIds(text);
        Assert.Equal(Encoding.UTF8.GetBytes(text).Select(value => (int)value), ids);
        Assert.Equal(text, tokenizer.Decode(ids));
        Assert.Equal(ids.Count, tokenizer.CountTokens(text));
        Assert.Equal(ids, tokenizer.EncodeToTokens(text, out _).Select(token => token.Id));
    }

    [Fact]
    public void A_limit_on_the_count_never_cuts_a_character()
    {
        const string text = "a\u00e9\u4e2d\ud83d\udc4d";
        for (var limit = 1; limit <= 10; limit++)
        {
            var ids = tokenizer.EncodeToIds(text, limit, out _, out var used);
            Assert.True(ids.Count <= limit);
            Assert.Equal(text[..used], tokenizer.Decode(ids));
            var index = tokenizer.GetIndexByTokenCountFromEnd(text, limit, out _, out var count);
            Assert.Equal(count, Encoding.UTF8.GetByteCount(text[index..]));
            Assert.DoesNotContain('\ufffd', tokenizer.Decode(tokenizer.EncodeToIds(text[index..])));
            Assert.Equal(used, tokenizer.GetIndexByTokenCount(text, limit, out _, out _));
        }
    }

    [Fact]
    public void Decoding_into_a_span_stops_before_what_does_not_fit()
    {
        var ids = tokenizer.EncodeToIds("a\ud83d\udc4db");
        Span<char> small = stackalloc char[2];
        Assert.Equal(OperationStatus.DestinationTooSmall, tokenizer.Decode(ids, small, out var consumed, out var written));
        Assert.Equal((1, 1), (consumed, written));
        Span<char> large = stackalloc char[8];
        Assert.Equal(OperationStatus.NeedMoreData, tokenizer.Decode(ids.Take(3), large, out consumed, out written));
        Assert.Equal((1, 1), (consumed, written));
        Assert.Equal(OperationStatus.Done, tokenizer.Decode(ids, large, out consumed, out written));
        Assert.Equal((6, 4), (consumed, written));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(256)]
    public void An_id_that_is_no_byte_is_refused(int id) =>
        Assert.Equal(id, Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([65, id])).ActualValue);
}
