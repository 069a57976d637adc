using System.Text;
using System.Text.RegularExpressions;

namespace LmKit.Fuzz;

/// <summary>Changes of chat templates: fragments of Jinja put in, tags doubled, dropped or moved, names and numbers exchanged.</summary>
internal static partial class TemplateMutations
{
    private static readonly string[] Fragments =
    [
        "{{ messages }}", "{{ messages|tojson }}", "{{ messages|length }}", "{{ messages[0] }}", "{{ messages[-9] }}", "{{ messages[1:] }}", "{{ messages[::-1] }}",
        "{{ 'abc'[1::9223372036854775807] }}", "{{ 'abc'[::-9223372036854775807] }}", "{{ 'abc'[-5:99] }}", "{{ [1, 'a']|sort }}", "{{ [[1], [1, 2]]|sort }}", "{{ 'a' * 9999999 }}", "{{ [0] * 9999999 }}",
        "{% for i in range(9) %}", "{% endfor %}", "{% if true %}", "{% else %}", "{% elif x %}", "{% endif %}", "{% set x = 1 %}", "{% set x %}", "{% endset %}", "{% raw %}", "{% endraw %}",
        "{% macro m(a, b='d'*999) %}", "{% endmacro %}", "{{ m(1) }}", "{{ m(m) }}", "{% generation %}", "{% endgeneration %}", "{# c #}", "{#", "{%", "%}", "{{", "}}", "{%- ", " -%}",
        "{% set ns = namespace(a=[1]) %}", "{% set ns.a = [ns.a, ns.a] %}", "{{ ns.a }}", "{{ ns.a == ns.a }}", "{{ ns.a|tojson }}", "{{ ns }}", "{{ x.y.z }}", "{{ x['y'][0] }}", "{{ none.a }}",
        "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1 / 0 }}", "{{ 2 ** 999 }}", "{{ -9223372036854775808 // -1 }}", "{{ 9223372036854775807 + 1 }}", "{{ 1e308 * 10 }}", "{{ '%s %d'|format(1) }}",
        "{{ 'a'|replace('', 'b') }}", "{{ ''|first }}", "{{ 'ab'|first }}", "{{ [3, 1]|last }}", "{{ 'a b'.split('') }}", "{{ 'a b'.split() }}", "{{ 'x'.join(['a', 1]) }}", "{{ {'a': 1}|dictsort }}", "{{ {'a': 1}.items()|list }}",
        "{{ range(99999999)|length }}", "{{ range(5, 1, 0) }}", "{{ 'a'|indent(99999999) }}", "{{ 'a'|batch(2) }}", "{{ messages|map(attribute='role')|list }}", "{{ messages|selectattr('role', 'equalto', 'user')|list }}", "{{ messages|groupby('role') }}",
        "{{ 'a' ~ 1 ~ none }}", "{{ not x }}", "{{ x is defined }}", "{{ 1 in [1] }}", "{{ 'a' in 'abc' }}", "{{ 'a' if x }}", "{{ (((((1))))) }}", "{{ raise_exception('x') }}", "{{ strftime_now('%Y') }}", "{{ loop.index }}", "{{ 'a'|upper|lower|title|trim }}",
        "{{ 'ab'|list|unique|join(',') }}", "{{ {'a': {'b': [1, 2]}}|tojson(indent=2) }}", "{{ {'a': 1, 'a': 2} }}", "{{ 'abc'|int }}", "{{ '9'*30|int }}", "{{ 1.5|round }}", "{{ '\\ud800' }}", "{{ [1, 2] + [3] }}", "{{ [1] < ['a'] }}", "{{ none < 1 }}",
    ];

    private static readonly string[] Numbers = ["0", "-1", "1", "2", "99", "2147483648", "9223372036854775807", "9223372036854775808", "1e400", "0.5"];
    private static readonly string[] Names = ["messages", "m", "message", "loop", "ns", "x", "bos_token", "none", "true", "range", "namespace", "add_generation_prompt", "content", "role"];

    /// <summary>Changes one place of the template.</summary>
    internal static string Apply(FuzzRandom random, string template) => random.Below(9) switch
    {
        0 or 1 or 2 => template.Insert(Border(random, template), random.Pick(Fragments)),
        3 => Change(random, template, Tag(), tag => tag + tag),
        4 => Change(random, template, Tag(), _ => ""),
        5 => Change(random, template, Number(), _ => random.Pick(Numbers)),
        6 => Change(random, template, Name(), _ => random.Pick(Names)),
        7 => Change(random, template, Tag(), _ => random.Pick(Fragments)),
        _ => Wrapped(random, template),
    };

    internal static byte[] Apply(FuzzRandom random, byte[] template) => Encoding.UTF8.GetBytes(Apply(random, Encoding.UTF8.GetString(template)));

    private static string Wrapped(FuzzRandom random, string template) => random.Below(3) switch
    {
        0 => "{% for i in range(9) %}" + template + "{% endfor %}",
        1 => "{% set x %}" + template + "{% endset %}{{ x }}{{ x }}",
        _ => "{% macro again() %}" + template + "{% endmacro %}{{ again() }}{{ again() }}",
    };

    private static int Border(FuzzRandom random, string template)
    {
        int[] borders = [0, template.Length, .. Tag().Matches(template).SelectMany(match => new[] { match.Index, match.Index + match.Length })];
        return random.Chance(0.8) ? random.Pick(borders) : random.Below(template.Length + 1);
    }

    private static string Change(FuzzRandom random, string template, Regex what, Func<string, string> into)
    {
        var matches = what.Matches(template);
        if (matches.Count == 0)
            return template + random.Pick(Fragments);
        var match = matches[random.Below(matches.Count)];
        return template[..match.Index] + into(match.Value) + template[(match.Index + match.Length)..];
    }

    [GeneratedRegex(@"\{[%{#].*?[%}#]\}", RegexOptions.Singleline | RegexOptions.NonBacktracking)]
    private static partial Regex Tag();

    [GeneratedRegex(@"[0-9]+")]
    private static partial Regex Number();

    [GeneratedRegex(@"[a-z_]{2,}")]
    private static partial Regex Name();
}
