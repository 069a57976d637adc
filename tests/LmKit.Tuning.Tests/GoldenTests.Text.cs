using System.Text.Json.Nodes;
using LmKit.Conformance;

namespace LmKit.Tuning.Tests;

public partial class GoldenTests
{
    private static void Templates(GoldenCase golden)
    {
        foreach (var entry in golden.Json().EnumerateArray())
        {
            var one = JsonNode.Parse(entry.GetRawText())!;
            var options = new ChatRenderOptions
            {
                AddGenerationPrompt = (bool)one["add_generation_prompt"]!,
                BosToken = (string)one["bos_token"]!,
                EosToken = (string)one["eos_token"]!,
                Tools = one["tools"],
            };
            string Render() => ChatTemplate.Parse((string)one["source"]!).Render(one["messages"]!.AsArray(), options).Text;
            if (one["error"] is not null)
                Assert.Throws<TemplateException>(() => Render());
            else
                Assert.Equal((string)one["expected"]!, Render());
        }
    }

    private static void Halves(GoldenCase golden)
    {
        foreach (var one in golden.Json().EnumerateArray())
        {
            var text = one.GetProperty("text").GetString()!;
            Same(one.GetProperty("result"), TextHalves.Split(text));
            Same(one.GetProperty("result_max3"), TextHalves.Split(text, maxPromptWords: 3));
        }

        static void Same(System.Text.Json.JsonElement expected, TextHalves? actual)
        {
            if (expected.ValueKind == System.Text.Json.JsonValueKind.Null)
                Assert.Null(actual);
            else
                Assert.Equal(new TextHalves(expected[0].GetString()!, expected[1].GetString()!, expected[2].GetInt32(), expected[3].GetInt32()), actual);
        }
    }
}
