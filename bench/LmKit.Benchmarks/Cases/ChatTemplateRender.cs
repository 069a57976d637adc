using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.AI;

namespace LmKit.Benchmarks.Cases;

/// <summary>A conversation of ten messages as text, by each template that comes with LmKit: `bdn --filter *ChatTemplateRender*`. The aim is 50 us.</summary>
/// <remarks>Nothing that a user would write by hand does the same work within a budget, so this is a time and no ratio.</remarks>
[MemoryDiagnoser]
public class ChatTemplateRender
{
    private readonly ChatMessage[] messages = [.. Enumerable.Range(0, 10).Select(index => new ChatMessage(
        index % 2 == 0 ? ChatRole.User : ChatRole.Assistant,
        string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog. ", 4))))];

    private readonly ChatRenderOptions options = new() { BosToken = "<s>", EosToken = "</s>", AddGenerationPrompt = true };
    private ChatTemplate template = null!;

    [Params("chatml", "llama-2", "llama-3", "mistral", "zephyr", "alpaca", "vicuna", "plain")]
    public string Name { get; set; } = "";

    [GlobalSetup]
    public void Parse() => template = ChatTemplate.Named(Name);

    [Benchmark]
    public RenderedChat Render() => template.Render(messages, options);
}
