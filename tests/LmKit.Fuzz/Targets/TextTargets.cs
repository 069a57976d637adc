using System.Text;
using System.Text.Json.Nodes;

namespace LmKit.Fuzz;

/// <summary>Readers of templates and tokenizers.</summary>
internal static class TextTargets
{
    private const string Everything = """
        {% macro head(r, n=1) %}[{{ r | upper }}:{{ n }}]{% endmacro %}
        {%- set ns = namespace(found=false, parts=[]) -%}
        {% for m in messages if m.role != 'tool' %}
        {% set ns.found = ns.found or m.content is string and 'mill' in m.content %}
        {{ head(m['role'], loop.index) }}{{ (m.content or '') | replace('\t', ' ') | trim }}{% if not loop.last %},{% endif %}
        {% endfor %}
        {{ messages | map(attribute='role') | join('+') }}/{{ messages[0].content[:3] }}/{{ messages[::-1] | length }}/{{ 7 // 2 + 7 % 4 - 2 ** 3 }}
        {{ {'a': [1, 2.5, none, true]} | tojson }}{{ [3, 1, 2] | sort | list }}{{ '%s' % 1 }}{{ x is defined }}
        {% raw %}{{ x }}{% endraw %}{# note #}{% if add_generation_prompt %}{% generation %}<a>{% endgeneration %}{% endif %}
        """;

    private static readonly DateTimeOffset Now = new(2024, 5, 6, 7, 8, 9, TimeSpan.Zero);

    internal static IEnumerable<FuzzTarget> All =>
    [
        new("template", root =>
        {
            DataTargets.Write(root, "everything", "t.jinja", Everything);
            foreach (var name in new[] { "chatml", "llama-2", "zephyr", "alpaca" })
                DataTargets.Write(root, name, "t.jinja", ChatTemplate.Named(name).Source);
        }, (folder, seed) => Render(ChatTemplate.Parse(File.ReadAllText(Path.Combine(folder, "t.jinja"))), seed == "everything"))
        { NamesFiles = false },
        new("template-config", WriteConfigs, (folder, seed) =>
        {
            var template = ChatTemplate.FromTokenizerConfig(Path.Combine(folder, "tokenizer_config.json"), seed == "several" ? "tool_use" : "default");
            try
            {
                return Render(template, hasCalls: false);
            }
            catch (TemplateException)
            {
                return template.Source; // it was read; what it then refuses is its own affair
            }
        }),
        new("tokenizer", WriteTokenizers, ReadTokenizer),
    ];

    private static string Render(ChatTemplate template, bool hasCalls)
    {
        var messages = (JsonArray)JsonNode.Parse("""
            [{"role": "user", "content": "The river ran past the mill and"}, {"role": "assistant", "content": "stopped. <|im_end|>"},
             {"role": "user", "content": "Why?\tAnd when?"}, {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5]}}}]}]
            """)!;
        if (!hasCalls)
            messages.RemoveAt(3);
        var options = new ChatRenderOptions { AddGenerationPrompt = true, BosToken = "<s>", EosToken = "</s>", Clock = () => Now, Tools = JsonNode.Parse("""[{"name": "f", "parameters": {}}]""") };
        var chat = template.Render(messages, options);
        return $"{string.Join('|', chat.Runs.Select(run => $"{run.IsTemplate}:{run.Text}"))} {string.Join(',', chat.Generated)}";
    }

    private static void WriteConfigs(string root)
    {
        const string name = "tokenizer_config.json";
        DataTargets.Write(root, "one", name, new JsonObject { ["bos_token"] = "<s>", ["chat_template"] = ChatTemplate.Named("llama-3").Source, ["model_max_length"] = 1e30 }.ToJsonString());
        DataTargets.Write(root, "several", name, new JsonObject { ["chat_template"] = new JsonArray(Named("default", "chatml"), Named("tool_use", "mistral")) }.ToJsonString());
        DataTargets.Write(root, "beside", name, """{"bos_token": {"content": "<s>", "lstrip": false}}""");
        DataTargets.Write(root, "beside", "chat_template.jinja", ChatTemplate.Named("plain").Source);

        static JsonObject Named(string name, string template) => new() { ["name"] = name, ["template"] = ChatTemplate.Named(template).Source };
    }

    private static void WriteTokenizers(string root)
    {
        _ = Directory.CreateDirectory(Path.Combine(root, "bytes"));
        TokenizerFiles.SaveBytes(Path.Combine(root, "bytes"));
        var vocabulary = new BytePairTrainer(new BytePairOptions { VocabSize = 280, SpecialTokens = ["<|im_start|>"] }).Train(["the river ran past the mill and the miller ran past the river"]);
        foreach (var seed in new[] { "pairs", "published" })
        {
            _ = Directory.CreateDirectory(Path.Combine(root, seed));
            TokenizerFiles.Save(Path.Combine(root, seed), vocabulary);
        }
        File.Delete(Path.Combine(root, "published", "lmkit_tokenizer.json"));
    }

    private static string ReadTokenizer(string folder, string seed)
    {
        var tokenizer = TokenizerFiles.Load(folder);
        var text = new StringBuilder().Append(tokenizer.VocabSize).Append(' ').Append(tokenizer.EndOfTextId).Append(' ');
        try
        {
            var ids = tokenizer.Tokenizer.EncodeToIds("the river, caf\u00e9 \ud83d\udc4d");
            return text.AppendJoin(',', ids).Append(tokenizer.Tokenizer.Decode(ids)).ToString();
        }
        catch (ArgumentException error) when (error.ParamName == "text")
        {
            return text.Append(error.Message).ToString(); // a vocabulary may lack letters; the text is then refused, not the file
        }
    }
}
