namespace LmKit.Fuzz;

/// <summary>Templates that print, compare, sort, repeat or nest without end.</summary>
internal static class TemplateAttacks
{
    private const string Twins = "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(34) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
    private const string Deep = "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(1000) %}{% for j in range(50) %}{% set ns.a = [ns.a] %}{% set ns.b = [ns.b] %}{% endfor %}{% endfor %}";
    private const string Maps = "{% set ns = namespace(a={'k': 1}) %}{% for i in range(34) %}{% set ns.a = {'k': ns.a, 'l': ns.a} %}{% endfor %}";

    internal static IEnumerable<HostileCase> All()
    {
        foreach (var (name, source) in Refused)
            yield return HostileCase.Of($"made-template-{name}", "template", "chatml", Expectation.Refused, "t.jinja", source);
        foreach (var (name, source) in Dear)
            yield return HostileCase.Of($"made-template-{name}", "template", "chatml", Expectation.Either, "t.jinja", source);
        foreach (var (name, source) in Legal)
            yield return HostileCase.Of($"made-template-{name}", "template", "chatml", Expectation.Value, "t.jinja", source);
    }

    private static (string Name, string Source)[] Refused =>
    [
        ("dag-print", Twins + "{{ ns.a }}{{ ns.b }}"),
        ("dag-tojson", Twins + "{{ ns.a|tojson }}"),
        ("dag-tojson-indent", Twins + "{{ ns.a|tojson(indent=2) }}"),
        ("dag-text", Twins + "{{ ns.a ~ 'x' }}"),
        ("dag-format", Twins + "{{ '%s' % [ns.a] }}"),
        ("dag-join", Twins + "{{ [ns.a, ns.a]|join(',') }}"),
        ("dag-maps", Maps + "{{ ns.a }}"),
        ("dag-maps-tojson", Maps + "{{ ns.a|tojson }}"),
        ("deep-tojson", Deep + "{{ ns.a|tojson }}"),
        ("deep-text", Deep + "{{ ns.a ~ '' }}"),
        ("sort-mixed", "{{ [1, 'a', none]|sort }}"),
        ("sort-maps", "{{ [{'a': 1}, {'a': 2}]|sort }}"),
        ("compare-mixed", "{{ [1] < ['a'] }}"),
        ("macro-recursion", "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}"),
        ("macro-pair", "{% macro a(n) %}{{ b(n) }}{% endmacro %}{% macro b(n) %}{{ a(n) }}{{ a(n) }}{% endmacro %}{{ a(0) }}"),
        ("loops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        ("no-end-of-raw", "{% raw %}" + Repeated("{{ x }} {% if %}", 60_000)),
        ("raws", Repeated("{% raw %}{%", 90_000)),
        ("open-comments", Repeated("{#", 400_000)),
        ("open-prints", Repeated("{{", 400_000)),
        ("open-tags", Repeated("{%", 400_000)),
        ("open-ifs", Repeated("{% if 1 %}", 90_000)),
        ("open-fors", Repeated("{% for a in b %}", 60_000)),
        ("open-generations", Repeated("{% generation %}", 60_000)),
        ("parentheses", "{{ " + Repeated("(", 300_000) + "1" + Repeated(")", 300_000) + " }}"),
        ("brackets", "{{ " + Repeated("[", 300_000) + Repeated("]", 300_000) + " }}"),
        ("braces", "{{ " + Repeated("{'a':", 100_000) + "1" + Repeated("}", 100_000) + " }}"),
        ("quote", "{{ '" + new string('a', 900_000)),
        ("number", "{{ " + new string('9', 900_000) + " }}"),
        ("unknown-filters", "{{ 'a'" + Repeated("|f", 400_000) + " }}"),
        ("divided-by-zero", "{{ 1 // 0 }}"),
        ("surrogate", "{{ \ud800"),
    ];

    private static (string Name, string Source)[] Dear =>
    [
        ("dag-equal", Twins + "{{ ns.a == ns.b }}"),
        ("dag-unequal", Twins + "{{ ns.a != ns.b }}"),
        ("dag-in", Twins + "{{ ns.a in [ns.b] }}"),
        ("dag-less", Twins + "{{ ns.a < ns.b }}"),
        ("dag-sort", Twins + "{{ [ns.a, ns.b]|sort|length }}"),
        ("dag-unique", Twins + "{{ [ns.a, ns.b]|unique|list|length }}"),
        ("dag-maps-equal", Maps + Maps.Replace("ns", "ms", StringComparison.Ordinal) + "{{ ns.a == ms.a }}"),
        ("deep-equal", Deep + "{{ ns.a == ns.b }}"),
        ("deep-less", Deep + "{{ ns.a < ns.b }}"),
        ("memory-list", "{% set ns = namespace(a=[]) %}{% for i in range(200) %}{% set ns.a = ns.a + ['x' * 16000000] %}{% endfor %}{{ ns.a|length }}"),
        ("memory-texts", "{% set ns = namespace(a='') %}{% for i in range(999) %}{% set ns.a = ns.a ~ 'x' * 1000000 %}{% endfor %}{{ ns.a|length }}"),
        ("list-of-text", "{{ ('x' * 16000000)|list|length }}"),
        ("last-of-text", "{% for i in range(10000) %}{{ ('x' * 16000000)|last }}{% endfor %}"),
        ("length-of-text", "{% for i in range(10000) %}{{ ('x' * 16000000)|length }}{% endfor %}"),
        ("upper-of-text", "{% for i in range(10000) %}{% set x = ('x' * 16000000)|upper %}{% endfor %}"),
        ("in-text", "{% for i in range(10000) %}{{ 'y' in 'x' * 16000000 }}{% endfor %}"),
        ("equal-texts", "{% set a = 'x' * 16000000 %}{% set b = 'x' * 16000000 %}{% for i in range(10000) %}{{ a == b }}{% endfor %}"),
        ("text-of-loops", "{% for i in range(10000) %}{% for m in 'x' * 1600 %}{% endfor %}{% endfor %}"),
        ("reversed-text", "{% for i in range(1000) %}{{ ('x' * 16000000)[::-1]|first }}{% endfor %}"),
        ("trim", "{% for i in range(10000) %}{{ (' ' * 16000000)|trim }}{% endfor %}"),
        ("replace", "{{ ('a' * 1000000)|replace('a', 'b' * 1000000)|length }}"),
        ("replace-nothing", "{{ ('a' * 1000000)|replace('', 'b' * 1000)|length }}"),
        ("split", "{{ ('a ' * 8000000).split(' ')|length }}"),
        ("join", "{{ range(900000)|join('x' * 1000)|length }}"),
        ("range", "{{ range(999999999)|list|length }}"),
        ("range-sum", "{{ (range(999999) | list + range(999999) | list) | length }}"),
        ("list-times", "{{ ([0] * 99999999)|length }}"),
        ("list-doubling", "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}{{ ns.a|length }}"),
        ("text-doubling", "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}{{ ns.a|length }}"),
        ("indent", "{{ ('\\n' * 1000000)|indent(1000)|length }}"),
        ("tojson-indent", "{{ [[1]]|tojson(indent=1000000000) }}"),
        ("format-width", "{{ '%1000000000d' % 1 }}"),
        ("power", "{{ 99999 ** 99999 }}"),
        ("power-chain", "{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}"),
        ("unique", "{{ range(100000)|unique|list|length }}"),
        ("sort", "{{ range(500000)|sort|length }}"),
        ("macro-tree", string.Concat(Enumerable.Range(0, 40).Select(level => $"{{% macro m{level}() %}}{(level == 0 ? "x" : $"{{{{ m{level - 1}() }}}}{{{{ m{level - 1}() }}}}")}{{% endmacro %}}")) + "{{ m39() }}"),
        ("macro-arguments", "{% macro m(a) %}{% endmacro %}{{ m(" + Repeated("1,", 200_000) + ") }}"),
        ("sums", "{{ 1" + Repeated("+1", 500_000) + " }}"),
        ("joins", "{{ 'a'" + Repeated("~'a'", 200_000) + " }}"),
        ("ands", "{{ 1" + Repeated(" and 1", 150_000) + " }}"),
        ("nots", "{{ " + Repeated("not ", 200_000) + "1 }}"),
        ("minuses", "{{ " + Repeated("-", 500_000) + "1 }}"),
        ("members", "{{ x" + Repeated(".a", 400_000) + " }}"),
        ("indexes", "{{ messages" + Repeated("[0]", 300_000) + " }}"),
        ("filters", "{{ 'a'" + Repeated("|trim", 180_000) + " }}"),
        ("conditions", "{{ " + Repeated("1 if 1 else ", 80_000) + "1 }}"),
        ("comparisons", "{{ 1" + Repeated(" < 1", 200_000) + " }}"),
        ("elifs", "{% if 0 %}" + Repeated("{% elif 0 %}", 80_000) + "{% endif %}"),
        ("unhashable", "{{ {[1]: 2} }}"),
        ("list-times-negative", "{{ [1] * -5 }}"),
        ("sets", Repeated("{% set x = 1 %}", 60_000)),
    ];

    private static (string Name, string Source)[] Legal =>
    [
        ("slice-back", "{{ 'abc'[::-9223372036854775807] }}"),
        ("slice-far", "{{ 'abc'[-9223372036854775807:9223372036854775807] }}"),
        ("slice-list", "{{ [1, 2, 3][1::9223372036854775807] }}"),
        ("times-negative", "{{ 'x' * -1 }}"),
        ("unused-default", "{% macro m(a, b='d' * 9999999) %}{{ a }}{% endmacro %}{{ m(1, 2) }}"),
        ("long-text", new string('a', 1_000_000)),
        ("long-literal", "{{ '" + new string('a', 900_000) + "'|length }}"),
        ("lines", Repeated("\n", 1_000_000)),
        ("tags", Repeated("{{ 1 }}\n", 50_000)),
        ("comments", Repeated("{# c #}\n", 100_000)),
        ("closed-raws", Repeated("{% raw %}x{% endraw %}", 40_000)),
        ("flat-list", "{{ [" + Repeated("1,", 300_000) + "]|length }}"),
    ];

    private static string Repeated(string text, int count) => string.Concat(Enumerable.Repeat(text, count));
}
