namespace LmKit.Core.Tests;

public class Report41TemplateDictsortByValue
{
    [Theory]
    [InlineData("dictsort(by='value')", "b1a2C3")]
    [InlineData("dictsort(false, 'value', true)", "C3a2b1")]
    [InlineData("dictsort", "a2b1C3")]
    [InlineData("dictsort(true)", "C3a2b1")]
    [InlineData("dictsort(reverse=true)", "C3b1a2")]
    public void Every_argument_of_dictsort_is_obeyed(string filter, string expected) =>
        Assert.Equal(expected, ChatTemplate.Parse("{% for k, v in {'b': 1, 'a': 2, 'C': 3} | " + filter + " %}{{ k }}{{ v }}{% endfor %}").Render(Array.Empty<Microsoft.Extensions.AI.ChatMessage>()).Text);

    [Fact]
    public void Another_order_is_refused() =>
        Assert.Contains("not by 'size'", Assert.Throws<TemplateException>(() => ChatTemplate.Parse("{{ {} | dictsort(by='size') }}").Render(Array.Empty<Microsoft.Extensions.AI.ChatMessage>())).Message, StringComparison.Ordinal);
}
