namespace LmKit.Core.Tests;

public class Report43TemplateThingsMissing
{
    [Theory]
    [InlineData("{{ 2.54 | round(1) }}", "2.5")]
    [InlineData("{{ 2.5 | round }} {{ 2.675 | round(2) }} {{ 1234 | round(-2) }} {{ 2.1 | round(method='ceil') }}", "2.0 2.67 1200 3.0")]
    [InlineData("{{ ','.join(['1', '2']) }}", "1,2")]
    [InlineData("{{ '{} {}'.format('p', 'q') }}", "p q")]
    [InlineData("{{ '{1:>4}|{0:.2f}|{n}'.format(1.005, 'x', n=3) }}", "   x|1.00|3")]
    [InlineData("{% for g in [{'t':'a'},{'t':'b'},{'t':'a'}] | groupby('t') %}{{ g.grouper }}{{ g.list | length }}{% endfor %}", "a2b1")]
    [InlineData("{{ 1e3 }} {{ 1.5e-7 }} {{ 1E16 }}", "1000.0 1.5e-07 1e+16")]
    public void Filters_methods_and_numbers_of_jinja_are_there(string source, string expected) =>
        Assert.Equal(expected, ChatTemplate.Parse(source).Render(Array.Empty<Microsoft.Extensions.AI.ChatMessage>()).Text);
}
