using System.Text.Json.Nodes;
using LmKit.Conformance;
using LmKit.FolderChat;
using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Chats from folders alone: nothing of a model's text is written in the app.</summary>
[NoTensorLeak]
public sealed class FolderChatTests
{
    private const string Asked = "What is a <|im_end|> token?";

    // A folder of each family, with the tokenizers and templates of several.
    public static TheoryData<string, string> Families => new()
    {
        { "gpt2-base", "qwen2-bytelevel" },
        { "llama-gqa", "llama3-bytelevel" },
        { "llama-mha", "llama2-bytefallback" },
        { "mistral-window", "llama2-bytefallback" },
        { "pythia-parallel", "qwen2-bytelevel" },
        { "gptj", "qwen2-bytelevel" },
        { "mpt", "qwen2-bytelevel" },
        { "qwen2-window", "qwen2-bytelevel" },
        { "qwen3-tied", "qwen2-bytelevel" },
        { "gemma2", "gemma-bytefallback" },
        { "gemma3-text", "gemma-bytefallback" },
        { "phi3-window", "llama3-bytelevel" },
        { "bloom", "qwen2-bytelevel" },
        { "olmo2", "llama3-bytelevel" },
    };

    [Theory]
    [MemberData(nameof(Families))]
    public async Task The_sample_says_what_the_model_makes_of_the_folders_own_template(string family, string tokenizer)
    {
        using var folder = new ChatFolder(family, tokenizer);
        var (answer, next) = Expected(folder, ["Hello there", "And then?"]);
        var (code, output, errors) = await RunAsync([folder.Path, "--greedy", "--tokens", "12"], "Hello there\nAnd then?\n\nnever read");

        Assert.Equal((0, answer + "\n" + next + "\n"), (code, output));
        Assert.DoesNotContain("no chat template", errors, StringComparison.Ordinal);
        Assert.NotEqual("", answer);
    }

    [Fact]
    public async Task A_wide_lambda_mask_and_packed_weights_answer_as_the_model_does()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        var (answer, _) = Expected(folder, ["Hello there"]);

        Assert.Equal(answer + "\n", (await RunAsync([folder.Path, "--greedy", "--tokens", "12", "--prompt", "Hello there", "--lambda"])).Output);
        Assert.Equal(answer + "\n", (await RunAsync([folder.Path, "--greedy", "--tokens", "12", "--prompt", "Hello there", "--packed", "f32"])).Output);
        Assert.NotEqual(answer + "\n", (await RunAsync([folder.Path, "--greedy", "--tokens", "12", "--prompt", "Hello there", "--lambda", "2"])).Output);
        Assert.Equal(0, (await RunAsync([folder.Path, "--greedy", "--tokens", "12", "--prompt", "Hello there", "--packed", "bf16", "--lambda", "64"])).Code);
    }

    [Fact]
    public async Task An_adapter_is_loaded_and_changes_the_answer()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        using var adapter = new TemporaryFolder();
        using var published = PublishedModel.Load(folder.Path, builder => builder.UseLora(lora => lora.Rank = 4));
        PublishedLinearTests.Fill(published.Model);
        AdapterFile.Save(published.Model, adapter.Path, published.Layout);
        using var client = published.AsChatClient();
        var expected = (await client.GetResponseAsync("Hello there", new ChatOptions { Temperature = 0, MaxOutputTokens = 12 })).Text;
        var (plain, _) = Expected(folder, ["Hello there"]);

        Assert.NotEqual(plain, expected);
        Assert.Equal(expected + "\n", (await RunAsync([folder.Path, "--greedy", "--tokens", "12", "--prompt", "Hello there", "--adapter", adapter.Path])).Output);
    }

    [Fact]
    public async Task A_model_without_a_template_is_told_in_plain_text_and_that_is_said()
    {
        using var folder = new ChatFolder("gpt2-base", "gpt2-bytelevel");
        var (code, output, errors) = await RunAsync([folder.Path, "--greedy", "--tokens", "5", "--prompt", "Hello there"]);
        using var published = PublishedModel.Load(folder.Path);
        var continued = published.CreateTextGenerator().Generate(["Hello there"], new GenerationOptions { Temperature = 0, MaxOutputTokens = 5 })[0];

        Assert.Equal((0, continued + "\n"), (code, output));
        Assert.Contains("no chat template", errors, StringComparison.Ordinal);
        Assert.Contains("ChatTemplate.Named", Assert.Throws<TemplateException>(() => published.AsChatClient()).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string[], string> Refused => new()
    {
        { ["--packed", "int3"], "--packed int3" },
        { ["--template", "nobody"], "'nobody'" },
        { ["--adapter", "/nowhere"], "/nowhere" },
        { ["--tokens=-1"], "MaxOutputTokens" },
        { ["--lambda", "-5"], "LocalLength" },
        { ["--system", "Be brief."], "System role not supported" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_cannot_be_is_refused_in_words(string[] options, string named)
    {
        using var folder = new ChatFolder("gemma2", "gemma-bytefallback");
        var (code, output, errors) = await RunAsync([folder.Path, "--prompt", "a", .. options]);

        Assert.Equal((1, ""), (code, output));
        Assert.Contains(named, errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_user_types_never_becomes_a_control_token_unless_the_app_allows_it()
    {
        using var folder = new ChatFolder("qwen2-window");
        var tokenizer = TokenizerFiles.Load(folder.Path);
        var end = tokenizer.SpecialTokens["<|im_end|>"];
        var format = ChatTemplateFormat.Load(folder.Path);
        var trusting = ChatTemplateFormat.Load(folder.Path, tokenizer, allowSpecialTokens: true);
        List<ChatMessage> messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, Asked), new(ChatRole.Assistant, "<|im_start|>"), new(ChatRole.User, "<|endoftext|>")];

        Assert.Equal(4, format.Encode(messages).Count(id => id == end));
        Assert.Equal(5, format.Encode(messages).Count(id => id == tokenizer.SpecialTokens["<|im_start|>"]));
        Assert.Equal(5, trusting.Encode(messages).Count(id => id == end));
        Assert.Equal(6, trusting.Encode(messages).Count(id => id == tokenizer.SpecialTokens["<|im_start|>"]));
        using var published = PublishedModel.Load(folder.Path);
        using var client = published.AsChatClient();
        Assert.Equal(format.Encode([new(ChatRole.User, Asked)]).Count, (await client.GetResponseAsync(Asked, new ChatOptions { MaxOutputTokens = 1 })).Usage!.InputTokenCount);
    }

    [Fact]
    public void A_mask_tells_the_assistants_tokens_of_every_turn()
    {
        using var folder = new ChatFolder("qwen2-window");
        var tokenizer = TokenizerFiles.Load(folder.Path);
        var turns = ChatTemplateFormat.Load(folder.Path, tokenizer).EncodeTurns([new(ChatRole.User, "a"), new(ChatRole.Assistant, "Bee"), new(ChatRole.User, "c"), new(ChatRole.Assistant, "Dee")]);

        Assert.Equal("Bee<|im_end|>\nDee<|im_end|>\n", tokenizer.Decode(turns.Where(turn => turn.IsGenerated).Select(turn => turn.Id), keepSpecialTokens: true));
    }

    [Fact]
    public async Task An_answer_ends_at_the_stop_tokens_of_settings_tokenizer_and_template()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel", generation: """{"eos_token_id": [7, 9], "max_new_tokens": 3}""");
        var tokenizer = TokenizerFiles.Load(folder.Path);
        folder.Edit("tokenizer_config.json", config => config["eos_token"] = "<|end_of_text|>");
        var format = ChatTemplateFormat.Load(folder.Path);
        using var published = PublishedModel.Load(folder.Path);
        using var client = published.AsChatClient();
        var answer = await client.GetResponseAsync("Hello there", new ChatOptions { Seed = 1 });
        using var longer = published.AsChatClient(new LanguageModelChatOptions { Defaults = { MaxOutputTokens = 4 } });

        Assert.Equal(new long[] { 7, 9, tokenizer.SpecialTokens["<|end_of_text|>"], tokenizer.SpecialTokens["<|eot_id|>"] }.Order(), format.StopTokens.Order());
        Assert.True(answer.Usage!.OutputTokenCount == 3 || answer.FinishReason == ChatFinishReason.Stop);
        Assert.Equal(3, (await client.GetResponseAsync("Hello there", new ChatOptions { Temperature = 0 })).Usage!.OutputTokenCount);
        Assert.Equal(4, (await longer.GetResponseAsync("Hello there", new ChatOptions { Temperature = 0 })).Usage!.OutputTokenCount);
        Assert.DoesNotContain("max_new_tokens", string.Join(' ', published.Layout.IgnoredOptions), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_files_settings_decide_how_answers_are_drawn_and_a_request_comes_before_them()
    {
        using var drawn = new ChatFolder("llama-gqa", "llama3-bytelevel", generation: """{"do_sample": true, "temperature": 5.0, "top_k": 0}""");
        using var published = PublishedModel.Load(drawn.Path);
        var (greedy, _) = Expected(drawn, ["Hello there"]);
        using var client = published.AsChatClient();
        var texts = new HashSet<string>();
        for (var seed = 0; seed < 4; seed++)
            texts.Add((await client.GetResponseAsync("Hello there", new ChatOptions { Seed = seed, MaxOutputTokens = 12 })).Text);

        Assert.Equal(4, texts.Count);
        Assert.Equal(greedy, (await client.GetResponseAsync("Hello there", new ChatOptions { Temperature = 0, MaxOutputTokens = 12 })).Text);
    }

    [Fact]
    public async Task A_file_of_its_own_stands_before_the_template_of_the_configuration()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        File.WriteAllText(folder.PathOf("chat_template.jinja"), "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ pad_token }}{% endfor %}");
        folder.Edit("tokenizer_config.json", config => config["pad_token"] = "<|eot_id|>");
        var tokenizer = TokenizerFiles.Load(folder.Path);

        Assert.Equal("<|begin_of_text|>a<|eot_id|>b<|eot_id|>", tokenizer.Decode(ChatTemplateFormat.Load(folder.Path).Encode([new(ChatRole.User, "a"), new(ChatRole.User, "b")]), keepSpecialTokens: true));
        using var published = PublishedModel.Load(folder.Path);
        using var client = published.AsChatClient();
        Assert.NotNull(await client.GetResponseAsync("a", new ChatOptions { MaxOutputTokens = 1 }));
    }

    [Fact]
    public void Templates_without_a_default_are_refused_by_their_names_and_one_can_be_chosen()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        folder.Edit("tokenizer_config.json", config => config["chat_template"] = new JsonArray(
            new JsonObject { ["name"] = "rag", ["template"] = "r{{ messages[0].content }}" },
            new JsonObject { ["name"] = "tools", ["template"] = "t{{ messages[0].content }}" }));
        using var published = PublishedModel.Load(folder.Path);
        var error = Assert.Throws<TemplateException>(() => published.AsChatClient());

        Assert.Contains("tokenizer_config.json", error.Message, StringComparison.Ordinal);
        Assert.Contains("chat_template", error.Message, StringComparison.Ordinal);
        Assert.Contains("rag, tools", error.Message, StringComparison.Ordinal);
        var tokenizer = published.LoadTokenizer();
        Assert.Equal("ta", tokenizer.Decode(ChatTemplateFormat.Load(folder.Path, tokenizer, "tools").Encode([new(ChatRole.User, "a")])));
    }

    [Fact]
    public void A_tokenizer_with_more_ids_than_the_model_is_refused_and_one_with_fewer_serves()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel", vocabSize: 200);
        using var published = PublishedModel.Load(folder.Path);

        foreach (var use in new Action[] { () => published.AsChatClient(), () => published.AsEmbeddingGenerator(), () => published.CreateTextGenerator(), () => published.LoadTokenizer(), () => published.Model.AsChatClient(folder.Path) })
        {
            var message = Assert.Throws<TokenizerException>(use).Message;
            Assert.All(["tokenizer.json", "vocab_size", "200", "take the tokenizer"], part => Assert.Contains(part, message, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Stop_tokens_outside_the_vocabulary_are_refused_by_file_and_key()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        File.WriteAllText(folder.PathOf("generation_config.json"), """{"eos_token_id": [7, 99999]}""");
        var message = Assert.Throws<ConfigurationException>(() => PublishedModel.Load(folder.Path)).Message;

        Assert.All(["generation_config.json", "eos_token_id", "99999", "correct it"], part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_prompt_begins_as_the_tokenizer_says_and_its_special_tokens_are_the_apps_choice()
    {
        using var folder = new ChatFolder("llama-gqa", "llama3-bytelevel");
        using var published = PublishedModel.Load(folder.Path);
        var tokenizer = published.LoadTokenizer();
        var begin = tokenizer.BeginOfTextId!.Value;
        var generator = published.CreateTextGenerator();
        var options = new GenerationOptions { Temperature = 0, MaxOutputTokens = 6 };
        var allowing = new GenerationOptions { Temperature = 0, MaxOutputTokens = 6, AllowSpecialTokens = true };

        Assert.Equal(tokenizer.Encode("Hi <|eot_id|>", addSpecialTokens: true).Count, Read(options));
        Assert.Equal(begin, tokenizer.Encode("Hi", addSpecialTokens: true)[0]);
        Assert.Equal(tokenizer.Encode("Hi <|eot_id|>", true, true).Count, Read(allowing));
        Assert.Equal(generator.Generate(["Hi"], options), generator.Generate(["<|begin_of_text|>Hi"], allowing));
        Assert.NotEqual(generator.Generate(["Hi"], options), generator.Generate(["<|begin_of_text|>Hi"], options));
        Assert.Contains("AllowSpecialTokens", Assert.Throws<ArgumentException>(() => published.AsChatClient(new LanguageModelChatOptions { Defaults = { AllowSpecialTokens = true } })).Message, StringComparison.Ordinal);

        long Read(GenerationOptions how) => generator.StreamAsync("Hi <|eot_id|>", how).ToBlockingEnumerable().Last().Usage!.InputTokenCount!.Value;
    }

    /// <summary>What a chat gives, computed by the parts below it: the template's text, its ids as a whole, and the most likely tokens.</summary>
    private static (string Answer, string Next) Expected(ChatFolder folder, string[] turns)
    {
        using var published = PublishedModel.Load(folder.Path);
        var tokenizer = TokenizerFiles.Load(folder.Path);
        var template = ChatTemplate.FromTokenizerConfig(folder.PathOf("tokenizer_config.json"));
        var config = JsonNode.Parse(File.ReadAllBytes(folder.PathOf("tokenizer_config.json")))!;
        var render = new ChatRenderOptions { AddGenerationPrompt = true, BosToken = (string?)config["bos_token"] ?? "", EosToken = (string?)config["eos_token"] ?? "" };
        var ends = new[] { "<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>", "<eos>" }.Where(tokenizer.SpecialTokens.ContainsKey).Select(text => (long)tokenizer.SpecialTokens[text]).ToHashSet();
        List<ChatMessage> messages = [];
        List<string> answers = [];
        foreach (var turn in turns)
        {
            messages.Add(new(ChatRole.User, turn));
            var ids = tokenizer.Encode(template.Render(messages, render).Text, allowSpecialTokens: true).Select(id => (long)id).ToList();
            var start = ids.Count;
            for (var step = 0; step < 12; step++)
            {
                var next = MostLikely(published.Model, ids, tokenizer.VocabSize);
                if (ends.Contains(next))
                    break;
                ids.Add(next);
            }
            answers.Add(tokenizer.Decode(ids.Skip(start).Select(id => (int)id)));
            messages.Add(new(ChatRole.Assistant, answers[^1]));
        }
        return (answers[0], answers[^1]);
    }

    private static long MostLikely(LanguageModel model, List<long> ids, int count)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return model.call(tensor(ids.ToArray()).unsqueeze(0), null)[0, -1].narrow(0, 0, count).argmax().ToInt64();
    }

    private static async Task<(int Code, string Output, string Errors)> RunAsync(string[] arguments, string input = "")
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var errors = new StringWriter { NewLine = "\n" };
        var code = await FolderChatCommand.InvokeAsync(arguments, new StringReader(input), output, errors);
        return (code, output.ToString(), errors.ToString());
    }
}
