using System.Xml.Linq;

namespace LmKit.QuickStart.Tests;

public class MemberProseTests
{
    private static string[] Paragraphs(string members) =>
        MemberProse.Paragraphs(XDocument.Parse($"<doc><assembly><name>A</name></assembly><members>{members}</members></doc>", LoadOptions.PreserveWhitespace)).ToArray();

    [Theory]
    [InlineData("T:System.String", "String")]
    [InlineData("M:System.String.Format(System.String,System.Object)", "Format")]
    [InlineData("M:System.String.#ctor(System.Char[])", "String")]
    [InlineData("T:System.Collections.Generic.List`1", "List")]
    [InlineData("M:System.Linq.Enumerable.Select``2(System.Func{``0,``1})", "Select")]
    [InlineData("P:System.Collections.Generic.List{System.Int32}.Count", "Count")]
    [InlineData("M:A.B.System#Collections#IEnumerable#GetEnumerator", "GetEnumerator")]
    [InlineData("System.Array.Copy%2A", "Copy")]
    [InlineData("Plain", "Plain")]
    [InlineData("", "")]
    public void A_reference_becomes_its_short_name(string reference, string name) =>
        Assert.Equal(name, MemberProse.ShortName(reference));

    [Fact]
    public void References_stand_in_the_sentence_as_names() =>
        Assert.Equal(
            ["Returns true if value is a List of T, see the guide or Copy."],
            Paragraphs("""
                <member name="M:A"><summary>Returns <see langword="true" /> if <paramref name="value" /> is
                  a <see cref="T:System.Collections.Generic.List`1" /> of <typeparamref name="T"></typeparamref>,
                  <see href="https://example.org">see the guide</see> or <xref uid="System.Array.Copy*" />.</summary></member>
                """));

    [Fact]
    public void Every_prose_part_of_a_member_is_read_in_order_and_others_are_not() =>
        Assert.Equal(
            ["One.", "Two.", "Three.", "Four.", "Five.", "Six."],
            Paragraphs("""
                <member name="M:A"><summary>One.</summary><param name="a">Two.</param><typeparam name="T">Three.</typeparam>
                <returns>Four.</returns><exception cref="T:E">Five.</exception><forInternalUseOnly>No.</forInternalUseOnly>
                <remarks>Six.</remarks></member>
                """));

    [Fact]
    public void Nested_blocks_and_blank_lines_end_a_paragraph_and_code_is_left_out() =>
        Assert.Equal(
            ["Before.", "First bold para.", "A value.", "Item text.", "After.", "Last."],
            Paragraphs("""
                <member name="M:A"><remarks>Before.<para>First <strong>bold</strong>
                  para.</para><list type="bullet"><item><term>A</term><description>value.</description></item><item>Item
                  text.</item></list>After.<code>var x = 1;</code>

                  Last.</remarks></member>
                """));

    [Fact]
    public void A_member_without_prose_gives_nothing() =>
        Assert.Empty(Paragraphs("""<member name="M:A"><summary> </summary><param name="a" /></member>"""));
}
