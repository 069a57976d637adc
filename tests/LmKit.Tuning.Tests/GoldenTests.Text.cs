using System.Text.Json.Nodes;
using LmKit.Conformance;

namespace LmKit.Tuning.Tests;

public partial class GoldenTests
{
    private static void Templates(GoldenCase golden)
    {
        foreach (var one in golden.Records())
        {
            one.Describe("template"); // its name
            var options = new ChatRenderOptions
            {
                AddGenerationPrompt = one["add_generation_prompt"].GetBoolean(),
                BosToken = one.Text("bos_token")!,
                EosToken = one.Text("eos_token")!,
                Tools = one.Has("tools") ? Node("tools") : null,
            };
            string Render() => ChatTemplate.Parse(one.Text("source")!).Render(Node("messages").AsArray(), options).Text;
            JsonNode Node(string name) => JsonNode.Parse(one[name].GetRawText())!;
            if (one.Has("error"))
            {
                one.Describe("error"); // in the other library's words
                golden.Equal("error", new[] { true }, new[] { Record.Exception(Render) is TemplateException });
            }
            else
            {
                golden.Equal("expected", new[] { one.Text("expected") }, new[] { Render() });
            }
        }
    }

    private static void Halves(GoldenCase golden)
    {
        foreach (var one in golden.Records())
        {
            var text = one.Text("text")!;
            foreach (var name in new[] { "result", "result_max3" }.Where(one.Has))
                golden.Equal($"{name} of '{text}'", new[] { Expected(one[name]) }, new[] { TextHalves.Split(text, maxPromptWords: name == "result" ? null : 3) });
        }

        static TextHalves? Expected(System.Text.Json.JsonElement value) => value.ValueKind == System.Text.Json.JsonValueKind.Null
            ? null
            : new TextHalves(value[0].GetString()!, value[1].GetString()!, value[2].GetInt32(), value[3].GetInt32());
    }
}
