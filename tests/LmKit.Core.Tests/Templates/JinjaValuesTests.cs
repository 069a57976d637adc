using System.Text.Json.Nodes;

namespace LmKit.Core.Tests;

/// <summary>Templates and what Jinja2 3.1.6 makes of them in its immutable sandbox, with trim_blocks, lstrip_blocks, loop controls and the
/// <c>tojson</c> of chat templates; a refused one names the exception there.</summary>
public class JinjaValuesTests
{
    private const string Messages = """[{"role":"user","content":"Hello World"},{"role":"assistant","content":"Yes, <b>ok</b>\nline2"}]""";

    [Fact]
    public void Every_template_reads_as_the_reference_reads_it()
    {
        var lines = Lines().ToArray();
        Assert.True(lines.Length > 3_000);
        var wrong = lines.Where(line => Rendered((string)line["t"]!) != (string?)line["ok"])
            .Select(line => $"{line["t"]}: {Rendered((string)line["t"]!) ?? "refused"}, not {line["ok"]?.ToJsonString() ?? "refused"}").ToArray();
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    private static IEnumerable<JsonNode> Lines()
    {
        using var reader = new StreamReader(typeof(JinjaValuesTests).Assembly.GetManifestResourceStream("jinja-values.jsonl")!);
        while (reader.ReadLine() is { } line)
            yield return JsonNode.Parse(line)!;
    }

    private static string? Rendered(string source)
    {
        try
        {
            return ChatTemplate.Parse(source).Render(JsonNode.Parse(Messages)!.AsArray(), new ChatRenderOptions { BosToken = "<s>", EosToken = "</s>" }).Text;
        }
        catch (TemplateException)
        {
            return null;
        }
    }
}
