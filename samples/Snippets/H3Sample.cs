using LmKit;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Snippets;

internal static class H3Sample
{
    internal static void Run()
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 64, LayerCount = 4 }
            .AddH3(h3 => h3.StateDim = 64)                     // every layer ...
            .AddAttention(a => a.HeadCount = 4, layers: [2])   // ... except this one: last one wins
            .Build();
        using var prompt = tensor(new long[] { 72, 101, 108, 108, 111 }, [1, 5]);
        using var state = model.NewState(batch: 1);
        using var frozen = no_grad();
        using var logits = model.call(prompt, new SequenceContext(state));                                    // (1, 5, 256)
        using var next = logits.select(1, 4).argmax(1, keepdim: true);
        using var continued = model.call(next, new SequenceContext(state));                                   // (1, 1, 256)
        Console.WriteLine($"after {state.Position} tokens: {continued.argmax(2).item<long>()}");
    }
}
