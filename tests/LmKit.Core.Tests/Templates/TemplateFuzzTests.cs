using System.Text;
using System.Text.Json.Nodes;

namespace LmKit.Core.Tests;

/// <summary>Random templates of known seeds: whatever they are, they render or are refused by the one exception of templates.</summary>
public class TemplateFuzzTests
{
    private static readonly string[] Atoms = ["0", "1", "-1", "9223372036854775807", "2.5", "1e300", "1e-5", "true", "false", "none", "nope", "''", "'abc'", "'A b\\n'", "'\\ud83d\\ude00x'", "'\\ud800'", "'%s %d'", "'{} {0}'", "[]", "[3, 1, 2]", "['b', 'A']", "[1, 'a', none]", "()", "(1, 'x')", "{}", "{'a': 1, 'b': [2]}", "{1: 2, none: 3}", "messages", "messages[0]", "range(5)", "ns", "m", "loop", "{'a': 1}.items()", "bos_token", "99999999999999999999", "0x1f", "'x' * 100000", "[1] * 1000"];
    private static readonly string[] Signs = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"];
    private static readonly string[] Filters = ["abs", "batch", "capitalize", "center", "count", "default", "dictsort", "e", "first", "float", "format", "groupby", "indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "wordcount", "nosuch"];
    private static readonly string[] Tests = ["defined", "none", "string", "mapping", "sequence", "iterable", "number", "odd", "even", "divisibleby", "eq", "lt", "in", "sameas", "lower", "upper", "callable", "filter", "nosuch"];
    private static readonly string[] Methods = ["strip", "split", "rsplit", "splitlines", "partition", "startswith", "endswith", "replace", "join", "format", "find", "rfind", "index", "count", "upper", "title", "center", "zfill", "isalpha", "get", "items", "keys", "values", "append", "cycle", "changed", "removeprefix", "nosuch"];
    private static readonly string[] Names = ["reverse", "by", "attribute", "count", "indent", "default", "case_sensitive", "width", "boolean", "x"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_expressions_render_or_are_refused(int seed)
    {
        var random = new Random(seed);
        var (rendered, refused) = (0, 0);
        for (var round = 0; round < 3_000; round++)
        {
            var source = "{% set ns = namespace(a=1) %}{% macro m(x, y=2) %}{{ x }}{% endmacro %}{% for i in [1, 2] %}{{ " + Expression(random, 3) + " }}{% endfor %}";
            _ = Renders(source) ? rendered++ : refused++;
        }
        Assert.True(rendered > 150 && refused > 150, $"{rendered} rendered, {refused} refused: the expressions try too little");
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    public void Damaged_templates_render_or_are_refused(int seed)
    {
        var random = new Random(seed);
        string[] sources = [.. new[] { "chatml", "llama-2", "llama-3", "zephyr" }.Select(name => ChatTemplate.Named(name).Source), "{%- raw -%}{{ x }}{%- endraw -%}{# c #}{% macro m(a, b='x' ~ 1) %}{{ a[1:] }}{% endmacro %}{% if m(1) is defined and not 2 %}{{ {'a': [1, 2.5]} | tojson(indent=2) }}{% endif %}"];
        string[] pieces = ["{%", "%}", "{{", "}}", "{#", "#}", "'", "\"", "(", ")", "[", "]", "|", "-", "~", "1e999", "\0", "\ud800", "endfor", "else", "if", "in", ":", "::", ",", "\r", "\u2028", "9999999999"];
        for (var round = 0; round < 3_000; round++)
        {
            var source = new StringBuilder(sources[random.Next(sources.Length)]);
            for (var changes = random.Next(1, 4); changes > 0; changes--)
            {
                var place = random.Next(source.Length);
                var length = Math.Min(random.Next(12), source.Length - place);
                _ = random.Next(3) switch
                {
                    0 => source.Remove(place, length),
                    1 => source.Insert(place, pieces[random.Next(pieces.Length)]),
                    _ => source.Insert(random.Next(source.Length), source.ToString(place, length)),
                };
            }
            _ = Renders(source.ToString());
        }
    }

    private static bool Renders(string source)
    {
        try
        {
            _ = ChatTemplate.Parse(source).Render(JsonNode.Parse("""[{"role":"user","content":"hi <b>"},{"role":"assistant","content":"yes","n":1.5}]""")!.AsArray(), new ChatRenderOptions { BosToken = "<s>" });
            return true;
        }
        catch (TemplateException)
        {
            return false;
        }
        catch (Exception error)
        {
            throw new Xunit.Sdk.XunitException($"{error.GetType().Name} of {source}: {error.Message}");
        }
    }

    private static string Expression(Random random, int depth)
    {
        string Inner() => Expression(random, depth - 1);
        if (depth == 0 || random.Next(5) == 0)
            return Atoms[random.Next(Atoms.Length)];
        return random.Next(11) switch
        {
            0 or 1 => $"({Inner()} {Signs[random.Next(Signs.Length)]} {Inner()})",
            2 or 3 or 4 => $"({Inner()} | {Filters[random.Next(Filters.Length)]}{Arguments(random, depth)})",
            5 => $"({Inner()} is {Tests[random.Next(Tests.Length)]}{Arguments(random, depth)})",
            6 or 7 => $"({Inner()}).{Methods[random.Next(Methods.Length)]}({string.Join(", ", Enumerable.Range(0, random.Next(3)).Select(_ => Inner()))})",
            8 => $"({Inner()})[{Inner()}]",
            9 => $"({Inner()})[{(random.Next(2) == 0 ? "" : Inner())}:{Inner()}:{(random.Next(2) == 0 ? "" : Inner())}]",
            _ => $"({Inner()} if {Inner()} else {Inner()})",
        };
    }

    private static string Arguments(Random random, int depth)
    {
        var count = random.Next(4);
        return count == 3 ? "" : $"({string.Join(", ", Enumerable.Range(0, count).Select(index => (random.Next(4) == 0 && index == count - 1 ? Names[random.Next(Names.Length)] + "=" : "") + (random.Next(3) == 0 ? "'role'" : Expression(random, depth - 1))))})";
    }
}
