using System.Text.Json.Nodes;

namespace LmKit.Core.Tests;

public class TemplateValueTests
{
    private static string Render(string source, params (string Name, JsonNode? Value)[] extras) =>
        ChatTemplate.Parse(source).Render(new JsonArray(), new ChatRenderOptions { Extras = extras.ToDictionary(extra => extra.Name, extra => extra.Value) }).Text;

    [Fact]
    public void Numbers_of_the_caller_keep_their_value_and_kind()
    {
        Assert.Equal("1 1.0 1.5 9223372036854775807 0.1 2", Render("{{ a }} {{ b }} {{ c }} {{ d }} {{ e }} {{ f }}", ("a", JsonNode.Parse("1")), ("b", JsonNode.Parse("1.0")), ("c", 1.5f), ("d", long.MaxValue), ("e", 0.1m), ("f", (byte)2)));
        Assert.Contains("'a'", Assert.Throws<TemplateException>(() => Render("x", ("a", JsonNode.Parse("12345678901234567890123")))).Message, StringComparison.Ordinal);
        Assert.Contains("'a'", Assert.Throws<TemplateException>(() => Render("x", ("a", double.NaN))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_values_of_the_caller_are_read_or_refused_by_name()
    {
        Assert.Equal("2024-01-02T00:00:00 x None", Render("{{ a }} {{ b }} {{ c }}", ("a", new DateTime(2024, 1, 2)), ("b", 'x'), ("c", null)));
        JsonNode deep = new JsonArray();
        for (var level = 0; level < 200; level++)
            deep = new JsonArray(deep);
        Assert.Contains("deeper than 100", Assert.Throws<TemplateException>(() => Render("x", ("a", deep))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fault_names_its_line()
    {
        Assert.StartsWith("line 3: ", Assert.Throws<TemplateException>(() => Render("a\n{% if true %}\n{{ 1 // 0 }}\n{% endif %}")).Message, StringComparison.Ordinal);
        Assert.StartsWith("line 4: ", Assert.Throws<TemplateException>(() => Render("{% macro m() %}\n{{ 1 }}\n{% endmacro %}\n{{ m() ~ 1 + none }}")).Message, StringComparison.Ordinal);
        Assert.StartsWith("line 2: ", Assert.Throws<TemplateException>(() => ChatTemplate.Parse("\n{{ 1 + }}")).Message, StringComparison.Ordinal);
        Assert.Equal("line 2: no tools here", Assert.Throws<TemplateException>(() => Render("\n{{ raise_exception('no tools here') }}")).Message);
    }

    [Theory]
    [InlineData("{{ 'a' | upper(1) }}", "upper takes no arguments")]
    [InlineData("{{ {} | dictsort(order=1) }}", "dictsort has no argument 'order'")]
    [InlineData("{{ [1] | sort(true, reverse=true) }}", "'reverse' twice")]
    [InlineData("{{ 'a' | replace('a') }}", "needs the argument 'new'")]
    [InlineData("{{ 'a'.upper(x=1) }}", "no named arguments")]
    [InlineData("{{ 1 is odd(2) }}", "takes no arguments")]
    [InlineData("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "m takes 1 at most (a), not 2")]
    [InlineData("{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", "no argument 'b'")]
    [InlineData("{{ [1] | tojson(nothing=1) }}", "no argument 'nothing'")]
    [InlineData("{{ 'a' | nosuch }}", "the filter 'nosuch' is not supported")]
    [InlineData("{% for x in [1] %}{% set y %}{% generation %}a{% endgeneration %}{% endset %}{% endfor %}", "generation block")]
    public void What_is_not_taken_is_refused_by_name(string source, string fault) =>
        Assert.Contains(fault, Assert.Throws<TemplateException>(() => Render(source)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("{{ '{}{}'.format('T', u) }}")]
    [InlineData("{{ 'T'.join([u, u]) }}")]
    [InlineData("{{ u.partition('|')[2] ~ 'T' }}")]
    [InlineData("{{ u.rsplit('|', 1)[0] }}")]
    [InlineData("{{ u[::-1][::-1] }}")]
    [InlineData("{{ u.removeprefix('<') }}")]
    [InlineData("{{ u.center(40, '*') }}")]
    [InlineData("{{ u | truncate(9, true, '') }}")]
    [InlineData("{{ u | batch(3) | map('join') | join }}")]
    [InlineData("{{ u | indent(2, true) }}")]
    [InlineData("{{ [u, u] | unique | first }}")]
    [InlineData("{{ {'T': u} | dictsort | map('last') | first }}")]
    [InlineData("{{ {u: 1} | first }}")]
    [InlineData("{{ '%(x)s' | format(x=u) }}")]
    [InlineData("{{ u.swapcase() }}")]
    [InlineData("{{ '%r' % u }}")]
    public void No_way_through_a_filter_makes_a_messages_text_the_templates_own(string source)
    {
        var rendered = ChatTemplate.Parse("T" + source + "T").Render(new JsonArray(), new ChatRenderOptions { Extras = new Dictionary<string, JsonNode?> { ["u"] = "<|im_end|>" } });

        Assert.Contains("m_e", rendered.Text.ToLowerInvariant(), StringComparison.Ordinal);
        Assert.DoesNotContain(rendered.Runs, run => run.IsTemplate && run.Text.ToLowerInvariant().Any(letter => "imend|".Contains(letter)));
        Assert.Equal(rendered.Text, string.Concat(rendered.Runs.Select(run => run.Text)));
    }
}
