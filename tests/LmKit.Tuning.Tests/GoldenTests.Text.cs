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
}
