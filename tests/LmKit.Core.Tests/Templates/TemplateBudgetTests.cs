using System.Text.Json.Nodes;

namespace LmKit.Core.Tests;

/// <summary>Templates that would take time, memory or stack without end. What is allocated in all stands for the work that is done.</summary>
public class TemplateBudgetTests
{
    private const long MostAllocated = 1L << 30;

    private const string Deep = "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(200) %}{% set ns.a = [ns.a] %}{% set ns.b = [ns.b] %}{% endfor %}";
    private const string Twice = "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(34) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
    private const string Long = "{% set b = 'x' * 4000000 %}{% for i in range(10000) %}";

    private static string[] Uses => ["ns.a", "ns.a == ns.b", "ns.a < ns.b", "ns.a | tojson", "[ns.a, ns.b] | sort", "[ns.b] | select('eq', ns.a) | list", "ns.a in [ns.b]", "[{'k': ns.a}, {'k': ns.b}] | groupby('k')", "'%s' % ns.a", "'{}'.format(ns.a)", "ns.a ~ 1", "[ns.a] | join", "[ns.a, ns.b] | max", "[ns.b].index(ns.a)", "{'a': ns.a, 'b': ns.b} | dictsort(by='value')", "[ns.a] | map('string') | list"];

    public static TheoryData<string> OfDeepValues => [.. Uses.Select(use => Deep + "{{ " + use + " }}")];

    public static TheoryData<string> OfSharedValues => [.. Uses.Select(use => Twice + "{{ " + use + " }}")];

    public static TheoryData<string> OfLongTexts => [.. new[] { "b | first", "b[0] ~ b | last", "b | list", "b | reverse", "b[::2]", "b | upper", "b | title", "b.split('x')", "b.replace('x', 'yy')", "b | replace('', '-')", "b | wordcount", "b | tojson", "b | e", "b | indent", "b.count('x')", "b.rfind('xy')", "b | sort", "b | map('upper') | list", "b | batch(1) | list", "b | center(8000000)", "b * 2", "b.strip('x')", "(b[1:] ~ 'y') in b", "b == b ~ ''", "b | unique | list", "{b: 1}[b]", "b.zfill(4000009)", "'{:>9999}{}'.format(1, b)", "b.join(['a', 'b'])", "b.partition('y')", "b.isalpha()", "b | truncate(5)", "[b] * 1000000" }
        .Select(use => Long + "{% set q = " + use + " %}{% endfor %}{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}")];

    public static TheoryData<string> OfManySteps =>
    [
        "{% set ns = namespace(a=[]) %}{% for i in range(200) %}{% set ns.a = ns.a + ['x' * 8000000] %}{% endfor %}",
        "{% set ns = namespace(a=[]) %}{% for i in range(10000) %}{% set ns.a = ns.a + ['x' * (1000 + i)] %}{% endfor %}",
        "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
        "{% set ns = namespace(a={}) %}{% for i in range(10000) %}{% for j in range(10) %}{% set ns.a = {'p': ns.a} %}{% endfor %}{% endfor %}",
        "{% set r = range(10000) | list %}{% for i in r %}{% if -1 in r %}{% endif %}{% endfor %}",
        "{% set r = range(10000) | list %}{% set s = range(10000) | list %}{% for i in r %}{% if r == s %}{% endif %}{% endfor %}",
        "{% set r = range(10000) | list %}{% for i in r %}{% set q = r | sort %}{% endfor %}",
        "{% set r = range(10000) | list %}{% for i in r %}{% set q = r[1:] %}{% endfor %}",
        "{% set a = messages[0].content ~ 'x' %}{{ a * 800000 }}",
        "{% macro a(n) %}{{ b(n) }}{{ b(n) }}{% endmacro %}{% macro b(n) %}{% if n %}{{ a(n - 1) }}{{ a(n - 1) }}{% endif %}{% endmacro %}{{ a(40) }}",
        "{% set a = 'a' * 1000000 %}{% for i in range(10000) %}{% if (a ~ 'b' ~ a) in (a ~ a) %}{% endif %}{% endfor %}",
    ];

    public static TheoryData<string> OfDeepTemplates => [.. new[]
    {
        "{{ " + new string('(', 100_000) + "1" + new string(')', 100_000) + " }}",
        "{{ " + new string('[', 100_000) + new string(']', 100_000) + " }}",
        "{{ " + Repeated("{1:", 100_000) + " }}",
        "{{ " + new string('-', 100_000) + "1 }}",
        "{{ " + Repeated("not ", 100_000) + "1 }}",
        "{{ 1" + Repeated("+1", 500_000) + " }}",
        "{{ 1" + Repeated("|e", 100_000) + " }}",
        "{{ a" + Repeated(".b", 100_000) + " }}",
        "{{ a" + Repeated("()", 100_000) + " }}",
        "{{ a" + Repeated("[0]", 100_000) + " }}",
        "{{ a" + Repeated(" is b", 100_000) + " }}",
        "{{ 1" + Repeated(" if 1 else 1", 80_000) + " }}",
        Repeated("{% if 1 %}", 90_000),
        Repeated("{% for a in b %}", 60_000),
        Repeated("{% macro a() %}", 60_000),
        Repeated("{% set a %}", 80_000),
        "{{ " + Repeated("1\n+", 300_000) + "1 }}",
        "{{ [" + Repeated("[],", 300_000) + "] }}",
        "{% raw %}" + Repeated("{% endraw", 100_000),
        "{% raw %}" + Repeated("{%" + new string(' ', 1_000), 1_000),
        "{{ '" + new string('a', 1_000_000),
        Repeated("{# ", 300_000),
        "{% macro m(n) %}" + Repeated("{% if n %}", 90) + "{{ m(n - 1) }}" + Repeated("{% endif %}", 90) + "{% endmacro %}{{ m(99) }}",
        "{% macro m(n) %}{{ " + Repeated("n and [", 90) + "m(n - 1)" + new string(']', 90) + " }}{% endmacro %}{{ m(99) }}",
    }];

    [Theory]
    [MemberData(nameof(OfDeepValues))]
    public void Values_deeper_than_100_are_refused_wherever_they_are_gone_into(string source) =>
        Assert.Contains("nested deeper than 100", Refused(source), StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(OfSharedValues))]
    public void Values_that_hold_others_twice_cost_no_more_than_the_budget(string source) => Refused(source);

    [Theory]
    [MemberData(nameof(OfLongTexts))]
    public void Whatever_is_done_with_long_texts_is_charged(string source) => Refused(source);

    [Theory]
    [MemberData(nameof(OfManySteps))]
    public void Lists_loops_and_macros_end_at_the_budget(string source) => Refused(source);

    [Theory]
    [MemberData(nameof(OfDeepTemplates))]
    public void Templates_of_a_megabyte_that_nest_or_never_end_are_refused(string source) => Refused(source);

    [Fact]
    public void A_megabyte_that_is_legal_is_read()
    {
        Assert.Equal(1_000_000, Rendered("{% raw %}" + Repeated("{%", 500_000) + "{% endraw %}").Length);
        Assert.Equal(50_000, Rendered(Repeated("{% if 1 %}x{% endif %}", 45_000) + Repeated("{{1}}", 5_000)).Length);
        Assert.Equal("x", Rendered("{% if 0 %}" + Repeated("{% elif 0 %}", 80_000) + "{% else %}x{% endif %}"));
        Assert.Equal("a1a1", Rendered("{% set x = 'a' ~ 1" + Repeated(" ~ ''", 10_000) + " %}{{ x }}{{ x }}"));
    }

    [Fact]
    public void A_long_default_that_is_not_used_costs_nothing()
    {
        Assert.Equal(new string('y', 1_000), Rendered("{% macro m(a='x' * 9999999) %}y{% endmacro %}{% for i in range(1000) %}{{ m() }}{% endfor %}"));
        Assert.Equal("8000000", Rendered("{% macro m(a='x' * 8000000) %}{{ a | length }}{% endmacro %}{{ m() }}"));
    }

    [Fact]
    public void A_long_conversation_fits()
    {
        var messages = new JsonArray([.. Enumerable.Range(0, 1_000).Select(index => new JsonObject { ["role"] = index % 2 == 0 ? "user" : "assistant", ["content"] = new string('w', 1_000) + "</think>" + index })]);
        const string Source = "{% for m in messages %}{% set c = m.content.split('</think>')[-1].strip() ~ m.content | trim | replace('q', 'r') %}{{ '<|im_start|>' + m.role + '\n' + c + '<|im_end|>' + '\n' }}{% endfor %}";
        Assert.True(ChatTemplate.Parse(Source).Render(messages).Text.Length > 1_000_000);
        foreach (var name in new[] { "chatml", "llama-2", "llama-3", "mistral", "zephyr", "alpaca", "vicuna", "plain" })
            Assert.True(ChatTemplate.Named(name).Render(messages).Text.Length > 500_000);
    }

    private static string Repeated(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    private static string Rendered(string source) => ChatTemplate.Parse(source).Render(new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "hi" })).Text;

    private static string Refused(string source)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<TemplateException>(() => Rendered(source));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostAllocated);
        Assert.Matches("^line [0-9]+: ", error.Message);
        return error.Message;
    }
}
