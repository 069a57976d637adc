namespace LmKit.Core.Tests;

public sealed class Report15ChatTemplateFilePrecedence : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Config => folder["tokenizer_config.json"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_template_in_a_file_of_its_own_stands_before_the_configurations()
    {
        File.WriteAllText(Config, """{"chat_template": "old"}""");
        File.WriteAllText(folder["chat_template.jinja"], "new");
        Assert.Equal("new", ChatTemplate.FromTokenizerConfig(Config).Source);
    }

    [Fact]
    public void Other_names_are_files_of_a_folder()
    {
        File.WriteAllText(Config, """{"chat_template": [{"name": "default", "template": "old"}, {"name": "rag", "template": "old rag"}]}""");
        Assert.Equal("old rag", ChatTemplate.FromTokenizerConfig(Config, "rag").Source);
        _ = Directory.CreateDirectory(folder["additional_chat_templates"]);
        File.WriteAllText(Path.Combine(folder["additional_chat_templates"], "tool_use.jinja"), "tools");
        File.WriteAllText(folder["chat_template.jinja"], "new");
        Assert.Equal("tools", ChatTemplate.FromTokenizerConfig(Config, "tool_use").Source);
        Assert.Equal("new", ChatTemplate.FromTokenizerConfig(Config).Source);
        Assert.Contains("no template 'rag' among its own files: tool_use, default", Assert.Throws<TemplateException>(() => ChatTemplate.FromTokenizerConfig(Config, "rag")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("{\"chat_template\": 5}")]
    [InlineData("{\"chat_template\": {\"default\": \"x\"}}")]
    [InlineData("{\"chat_template\": []}")]
    [InlineData("{\"chat_template\": [5]}")]
    [InlineData("{\"chat_template\": [{\"name\": \"default\"}]}")]
    [InlineData("{\"chat_template\": [{\"name\": 1, \"template\": \"x\"}]}")]
    [InlineData("{\"chat_template\": [{\"name\": \"a\", \"template\": \"x\"}, {\"name\": \"a\", \"template\": \"y\"}]}")]
    [InlineData("{\"chat_template\": \"a\", \"chat_template\": \"b\"}")]
    [InlineData("{\"chat_template\": \"\\ud800\"}")]
    [InlineData("{\"chat_template\": \"{{ 1 +\"}")]
    [InlineData("{\"chat_template\": \"{{ x")]
    [InlineData("{\"chat_template\": \"x\"} trailing")]
    public void Every_fault_names_the_file(string content)
    {
        File.WriteAllText(Config, content);
        Assert.StartsWith(Config, Assert.Throws<TemplateException>(() => ChatTemplate.FromTokenizerConfig(Config)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_no_text_missing_files_and_faults_while_rendering_name_the_file_too()
    {
        Assert.StartsWith(Config, Assert.Throws<TemplateException>(() => ChatTemplate.FromTokenizerConfig(Config)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(Config, [(byte)'{', (byte)'"', 0xff, (byte)'"', (byte)':', (byte)'1', (byte)'}']);
        Assert.StartsWith(Config, Assert.Throws<TemplateException>(() => ChatTemplate.FromTokenizerConfig(Config)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(folder["chat_template.jinja"], [0xc3, 0x28]);
        Assert.StartsWith(folder["chat_template.jinja"], Assert.Throws<TemplateException>(() => ChatTemplate.FromTokenizerConfig(Config)).Message, StringComparison.Ordinal);
        File.WriteAllText(folder["chat_template.jinja"], "\n{{ 1 // 0 }}");
        Assert.StartsWith($"{folder["chat_template.jinja"]}: line 2: ", Assert.Throws<TemplateException>(() => ChatTemplate.FromTokenizerConfig(Config).Render(Array.Empty<Microsoft.Extensions.AI.ChatMessage>())).Message, StringComparison.Ordinal);
    }
}
